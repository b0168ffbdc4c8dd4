"""``tare report``: make a report of a run."""

from __future__ import annotations

from pathlib import Path

import click

from tare.errors import ExitCode


@click.command("report")
@click.argument("run", type=click.Path(path_type=Path))
@click.option(
    "--format",
    "form",
    type=click.Choice(["html", "md", "text", "json", "csv"]),
    default="html",
    show_default=True,
    help="What to write; all but html go to standard output unless --out is given.",
)
@click.option("--out", type=click.Path(path_type=Path), help="File to write.")
def command(run: Path, *, form: str, out: Path | None) -> int:
    """Report on RUN: which claims its measurements support or refute, and on what evidence."""
    import reports
    from benchmarks.results import runfolder

    loaded = runfolder.load(run)
    target = out or (run / "report.html" if form == "html" else None)
    written = reports.write(loaded, form, target)
    if isinstance(written, Path):
        click.echo(f"report: {click.format_filename(written)}")
    else:
        click.echo(written.rstrip("\n"))
    return ExitCode.OK
