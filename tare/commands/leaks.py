"""``tare leaks``: try the isolation probes alone."""

from __future__ import annotations

import difflib
import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import click

from benchmarks import campaign as campaigns
from benchmarks import metrics, probes, runfolder
from benchmarks.records import Status
from tare import __version__
from tare.errors import ExitCode
from tare.settings import state_folder

if TYPE_CHECKING:
    from benchmarks.records import Sample
    from benchmarks.runfolder import Run

_DEFAULT = ("native", "container", "vm")
_BAD = ("shared-live", "open")


@click.command("leaks")
@click.argument("sandboxes", nargs=-1, metavar="[SANDBOX...]")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, evidence included.")
@click.option("--explain", metavar="PROBE", help="Say what one probe does, and its evidence.")
@click.option(
    "--baseline",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Output of an earlier --json; end with 3 where something leaks or is open only now.",
)
def command(
    sandboxes: tuple[str, ...],
    *,
    as_json: bool,
    explain: str | None,
    baseline: Path | None,
) -> int:
    """Show what each sandbox lets a process see and do; a guest is booted to judge constants."""
    known = None if baseline is None else _read_baseline(baseline)
    if explain is not None and explain not in {probe for _, probe, _ in probes.titles()}:
        near = difflib.get_close_matches(explain, [probe for _, probe, _ in probes.titles()], n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise click.UsageError(f"there is no probe {explain!r}{hint}")
    from benchmarks import image, runner
    from tare.progress import CampaignProgress

    chosen = campaigns.load(
        "quick",
        sandboxes=sandboxes or _DEFAULT,
        workloads=(metrics.LEAKS, metrics.CONTROLS),
        blocks_min=1,
        blocks_max=1,
    )
    with (
        tempfile.TemporaryDirectory(prefix="tare-leaks-") as folder,
        CampaignProgress(chosen) as progress,
    ):
        runner.run(
            chosen,
            Path(folder) / "run",
            image=image.build(progress=progress.note),
            state=state_folder(),
            tare_version=__version__,
            observer=progress,
        )
        run = runfolder.load(Path(folder) / "run")
    if as_json:
        click.echo(json.dumps([_row(sample) for sample in run.samples], indent=2))
    elif explain is not None:
        _explain(run, explain)
    else:
        _print_table(run)
    silent = _silent(run)
    for name, why in silent.items():
        click.echo(f"tare: {name} could not be examined: {why}", err=True)
    code = ExitCode.OK if known is None else _judge(run, known)
    return ExitCode.ERROR if silent and code is ExitCode.OK else code


def _silent(run: Run) -> dict[str, str]:
    """Return the sandboxes of which nothing at all was read, with the reason."""
    read = {sample.sandbox for sample in run.samples if sample.status is Status.OK}
    failed = {s.sandbox: s.detail or "no reason given" for s in reversed(run.samples)}
    asked = [box.name for box in run.info.sandboxes]
    return {
        **run.info.absent,
        **{name: failed.get(name, "it was not read") for name in asked if name not in read},
    }


def _read_baseline(path: Path) -> set[tuple[str, ...]]:
    """Return what leaked or was open then, as (sandbox, probe)."""
    try:
        rows = json.loads(path.read_bytes())
        return {(row["sandbox"], row["probe"]) for row in rows if row["verdict"] in _BAD}
    except OSError as error:
        raise click.UsageError(f"cannot read the baseline {path}: {error.strerror}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise click.UsageError(f"{path} is not the output of `tare leaks --json`") from error


def _judge(run: Run, known: set[tuple[str, ...]]) -> ExitCode:
    """Name what is new; a probe that failed may hide something and counts as new."""
    bad = [s for s in run.samples if s.status is not Status.OK or s.text in _BAD]
    new = [sample for sample in bad if (sample.sandbox, sample.metric) not in known]
    for sample in new:
        click.echo(f"new: {sample.sandbox} {sample.metric}: {_word(sample)}", err=True)
    return ExitCode.REGRESSION if new else ExitCode.OK


def _row(sample: Sample) -> dict[str, str | None]:
    return {
        "sandbox": sample.sandbox,
        "workload": sample.workload,
        "probe": sample.metric,
        "verdict": sample.text,
        "status": sample.status.value,
        "evidence": sample.detail,
    }


def _explain(run: Run, probe: str) -> None:
    about = {known.id: known.about for known in probes.PROBES}
    about |= {known.id: known.why for known in probes.controls()}
    click.echo(about[probe])
    for sample in run.samples:
        if sample.metric == probe:
            click.echo(f"{sample.sandbox}: {_word(sample)}\n  {sample.detail or ''}")


def _print_table(run: Run) -> None:
    from rich.console import Console
    from rich.table import Table

    words: dict[tuple[str, str], dict[str, str]] = {}
    for sample in run.samples:
        words.setdefault((sample.workload, sample.metric), {})[sample.sandbox] = _word(sample)
    names = [box.name for box in run.info.sandboxes]
    table = Table(box=None, pad_edge=False)
    table.add_column("probe", no_wrap=True, max_width=30)
    for name in names:
        table.add_column(name, no_wrap=True)
    last = ""
    for (workload, probe), by_sandbox in words.items():
        if workload != last:
            table.add_row(f"[bold]{workload}[/bold]")
            last = workload
        table.add_row(probe, *(by_sandbox.get(name, "") for name in names))
    Console().print(table)


def _word(sample: Sample) -> str:
    return sample.text or "" if sample.status is Status.OK else "error"
