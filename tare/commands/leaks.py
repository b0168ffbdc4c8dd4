"""``tare leaks``: how much of its host each sandbox sees, and what it may do to it."""

from __future__ import annotations

import json
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from benchmarks import nearest
from benchmarks.campaign import config as campaigns
from benchmarks.results import metrics
from benchmarks.results.printable import cut, visible
from tare import completion, images
from tare.completeness import judge
from tare.measure import measure_run, passing_run
from tare.settings import folder_asked_for
from tare.terminal import say

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from benchmarks.campaign.config import Campaign
    from benchmarks.results.runfolder import Run
    from reports.sections.base import Reading

_DEFAULT = ("native", "container", "vm")
_PROBES = (metrics.LEAKS, metrics.CONTROLS)
_MOST_BROKEN = 10
_MOST_SAID = 4_000
"""Characters of what a probe read; --json has all of it."""


@click.command("leaks")
@click.argument("sandboxes", nargs=-1, metavar="[SANDBOX...]", shell_complete=completion.sandboxes)
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
@images.option
@click.option(
    "--allow-missing",
    is_flag=True,
    help="End with 0 also where a sandbox could not be had or read.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    callback=folder_asked_for,
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
    image: str | None,
    allow_missing: bool,
    out: Path | None,
) -> int:
    """Show what each sandbox lets a process see and do; a guest is booted to judge constants.

    Ends with 4 where a sandbox could not be had here, and with 1 where one could not be read.
    """
    import reports
    from tare import leaks as baselines

    if fail_on is not None and baseline is None:
        raise click.UsageError(
            "--fail-on new needs --baseline FILE; make one with `tare leaks --json > FILE`"
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
        "quick", sandboxes=sandboxes or _DEFAULT, workloads=workloads, blocks_min=1, blocks_max=1
    )
    with ExitStack() as stack:
        keep = out is not None
        if out is None:
            out = stack.enter_context(passing_run())
        run = _measured(chosen, out, image)
        readings = reports.readings(run, workloads)
        rows = [_row(one) for one in readings]
        if as_json:
            click.echo(json.dumps(rows, indent=1))
        elif explain is not None:
            _explain(explain, workloads, readings)
        else:
            _show(run, workloads, readings)
    complete = judge(run, allow_missing=allow_missing, kept=keep)
    return complete if known is None else baselines.judge(rows, known) or complete


def _check_explained(what: str, workloads: Sequence[str]) -> None:
    """Refuse what none of these has, before anything is measured."""
    import reports

    known = reports.explanations(workloads)
    if _explained(what, known) is None:
        raise click.UsageError(
            f"there is no probe {what!r} here; {nearest.hint(what, known, 'probes')}"
        )


def _explained(what: str, known: Mapping[str, str]) -> str | None:
    """Return what a probe does; a path is explained by the folder it lies in."""
    if what in known:
        return known[what]
    return next((said for name, said in known.items() if name == "/" == what[:1]), None)


def _measured(campaign: Campaign, folder: Path, image: str | None) -> Run:
    from tare.progress import CampaignProgress

    with CampaignProgress(campaign, once=True) as progress:
        return measure_run(campaign, folder, progress, image=image)


def _row(reading: Reading) -> dict[str, Any]:
    """Return what was found, for programs and for a baseline."""
    return {
        "sandbox": reading.sandbox,
        "workload": reading.workload,
        "probe": reading.probe,
        "verdict": reading.verdict,
        "status": reading.status.value,
        "evidence": reading.evidence,
        **reading.more,
    }


def _show(run: Run, workloads: Sequence[str], readings: Sequence[Reading]) -> None:
    """Print the sections of what was looked at, and on standard error what broke."""
    import reports

    if run.samples:
        click.echo(reports.render_looks(run, workloads))
    broken = Counter(
        (one.sandbox, one.evidence or "no reason given") for one in readings if one.status.failure
    )
    for (sandbox, why), times in broken.most_common(_MOST_BROKEN):
        say(f"tare: {sandbox}{f', {times} times' if times > 1 else ''}: {why}")
    if len(broken) > _MOST_BROKEN:
        say(f"tare: and {len(broken) - _MOST_BROKEN} more, in --json")


def _explain(what: str, workloads: Sequence[str], readings: Sequence[Reading]) -> None:
    """Print what a probe does, and what it found in each sandbox."""
    import reports
    from reports.renderers.text import wrapped

    found = [one for one in readings if one.probe == what]
    if not found and what.startswith("/"):
        raise click.UsageError(
            f"{what} was not swept: it is not there, not readable for the host itself, or on "
            "the list of what is left out (docs/probes.md)"
        )
    click.echo(wrapped(_explained(what, reports.explanations(workloads)) or "", "  "))
    for one in found:
        traits = ", ".join(one.more.get("traits", ()))
        click.echo(f"{one.sandbox}: {one.word}{f' ({traits})' if traits else ''}")
        click.echo(wrapped(visible(cut(one.evidence or "", _MOST_SAID)), "  ", "  "))
