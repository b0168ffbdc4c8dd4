"""``tare export``: write a run in a form that another tool takes."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from reports.exports import FORMATS
from tare.errors import ExitCode


@click.command("export")
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="RUN…")
@click.option(
    "--format",
    "form",
    type=click.Choice(list(FORMATS)),
    required=True,
    help="; ".join(f"{name}: {form.consumer}" for name, form in FORMATS.items()) + ".",
)
@click.option("--out", type=click.Path(path_type=Path), help="File to write, by renaming it there.")
@click.option(
    "--against",
    type=click.Path(path_type=Path),
    metavar="BASE",
    help="Run that RUN is compared with, for junit and comment.",
)
def command(runs: tuple[Path, ...], *, form: str, out: Path | None, against: Path | None) -> int:
    """Write RUN for another tool; what failed is never a number in it."""
    import reports
    from benchmarks.results import runfolder
    from reports import exports

    if against is not None and (form not in {"junit", "comment"} or len(runs) > 1):
        raise click.UsageError("--against goes with one run and --format junit or comment")
    if form == "parquet" and out is None and sys.stdout.isatty():
        raise click.UsageError("Parquet is no text; give a file with --out")
    loaded = [runfolder.load(run) for run in runs]
    comparison = reports.compare(runfolder.load(against), loaded[0]) if against else None
    data = exports.export(loaded, form, comparison)
    if out is None:
        sys.stdout.buffer.write(data)
    else:
        reports.write_bytes(out, data)
    return ExitCode.OK
