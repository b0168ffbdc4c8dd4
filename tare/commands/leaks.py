"""``tare leaks``: how much of its host each sandbox sees, and what it may do to it."""

from __future__ import annotations

import difflib
import json
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from benchmarks.campaign import config as campaigns
from benchmarks.experiments import probes
from benchmarks.experiments.covert_channels import CHANNELS
from benchmarks.experiments.surface import METHODS
from benchmarks.results import metrics
from benchmarks.results.records import Status
from tare.errors import ExitCode
from tare.measure import measure_run

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.campaign.config import Campaign
    from benchmarks.results.records import Sample
    from benchmarks.results.runfolder import Run

_DEFAULT = ("native", "container", "vm")
_PROBES = (metrics.LEAKS, metrics.CONTROLS)


@click.command("leaks")
@click.argument("sandboxes", nargs=-1, metavar="[SANDBOX...]")
@click.option("--sweep", is_flag=True, help="Read every file under /proc and /sys.")
@click.option("--surface", is_flag=True, help="Count the host's system calls made and allowed.")
@click.option("--channels", is_flag=True, help="Try covert channels between each two sandboxes.")
@click.option("--interference", is_flag=True, help="Set aggressors beside victims.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, evidence included.")
@click.option(
    "--explain",
    metavar="PROBE",
    help="Say what one probe does, and its evidence; a path with --sweep.",
)
@click.option(
    "--fail-on",
    type=click.Choice(["new"]),
    help="End with 3 where something leaks or is open that did not in --baseline.",
)
@click.option(
    "--baseline",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Output of an earlier --json to compare with; implies --fail-on new.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="RUN",
    help="Keep the run folder, with all that was read, for `tare report`.",
)
def command(
    sandboxes: tuple[str, ...],
    *,
    sweep: bool,
    surface: bool,
    channels: bool,
    interference: bool,
    as_json: bool,
    explain: str | None,
    fail_on: str | None,
    baseline: Path | None,
    out: Path | None,
) -> int:
    """Show what each sandbox lets a process see and do; a guest is booted to judge constants."""
    from tare.leaks import baseline as baselines

    if fail_on is not None and baseline is None:
        raise click.UsageError(
            "--fail-on new needs --baseline FILE; make one with `tare leaks --json > FILE`",
        )
    known = None if baseline is None else baselines.read(baseline)
    asked = {
        metrics.SWEEP: sweep,
        metrics.SURFACE: surface,
        metrics.CHANNELS: channels,
        metrics.INTERFERENCE: interference,
    }
    workloads = tuple(name for name, wanted in asked.items() if wanted) or _PROBES
    if explain is not None:
        _check_explained(explain, workloads)
    chosen = campaigns.load(
        "quick",
        sandboxes=sandboxes or _DEFAULT,
        workloads=workloads,
        blocks_min=1,
        blocks_max=1,
    )
    with ExitStack() as stack:
        if out is None:
            out = (
                Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tare-leaks-"))) / "run"
            )
        run = _measured(chosen, out)
        rows = _rows(run)
        if as_json:
            click.echo(json.dumps(rows, indent=1))
        else:
            _show(run, explain)
    silent = _silent(run)
    for name, why in silent.items():
        click.echo(f"tare: {name} could not be examined: {why}", err=True)
    code = ExitCode.OK if known is None else baselines.judge(rows, known)
    return ExitCode.ERROR if silent and code is ExitCode.OK else code


def _check_explained(what: str, workloads: Sequence[str]) -> None:
    """Refuse what none of these has, before anything is measured."""
    if metrics.SWEEP in workloads and what.startswith("/"):
        return
    every = [known for workload, known, _ in probes.titles() if workload in workloads]
    if metrics.SURFACE in workloads:
        every += METHODS
    if metrics.CHANNELS in workloads:
        every += [channel.name for channel in CHANNELS]
    if what not in every:
        near = difflib.get_close_matches(what, every, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise click.UsageError(f"there is no probe {what!r}{hint}")


def _measured(campaign: Campaign, folder: Path) -> Run:
    from tare.progress import CampaignProgress

    with CampaignProgress(campaign, once=True) as progress:
        return measure_run(campaign, folder, progress)


def _rows(run: Run) -> list[dict[str, Any]]:
    """Return what was found, for programs and for a baseline."""
    from tare.leaks import channels, sweep

    told_below = {metrics.SWEEP, metrics.CHANNELS}
    words = [_row(sample) for sample in run.samples if sample.workload not in told_below]
    return [*words, *sweep.rows(run), *channels.rows(run)]


def _row(sample: Sample) -> dict[str, Any]:
    return {
        "sandbox": sample.sandbox,
        "workload": sample.workload,
        "probe": sample.metric,
        "verdict": sample.text,
        "status": sample.status.value,
        "evidence": sample.detail,
        **({} if sample.value is None else {"value": sample.value}),
        **sample.dimensions,
    }


def _show(run: Run, explain: str | None) -> None:
    from tare.leaks import channels, interference, surface, sweep
    from tare.leaks import probes as words

    if explain is None:
        for part in (words, sweep, surface, channels, interference):
            part.show(run)
    elif explain in METHODS:
        surface.explain(run, explain)
    elif explain in {channel.name for channel in CHANNELS} and not _asked(run, _PROBES):
        channels.explain(run, explain)
    elif not explain.startswith("/"):
        words.explain(run, explain)
    elif not sweep.explain(run, explain):
        raise click.UsageError(
            f"{explain} was not swept: it is not there, not readable for the host itself, or on "
            "the list of what is left out (docs/probes.md)",
        )


def _asked(run: Run, workloads: Sequence[str]) -> bool:
    return not set(workloads).isdisjoint(run.info.campaign["workloads"])


def _silent(run: Run) -> dict[str, str]:
    """Return the sandboxes of which nothing at all was read, with the reason."""
    read = {sample.sandbox for sample in run.samples if sample.status is Status.OK}
    failed = {s.sandbox: s.detail or "no reason given" for s in reversed(run.samples)}
    asked = [box.name for box in run.info.sandboxes]
    return {
        **run.info.absent,
        **{name: failed.get(name, "it was not read") for name in asked if name not in read},
    }
