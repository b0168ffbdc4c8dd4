"""``tare report``: make a report of a run."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import click

from tare import completion
from tare.errors import ExitCode


@click.command("report")
@click.argument("run", type=click.Path(path_type=Path), shell_complete=completion.runs)
@click.option(
    "--format",
    "form",
    type=click.Choice(["html", "md", "text", "json", "csv"]),
    default="html",
    show_default=True,
    help="What to write; all but html go to standard output unless --out is given.",
)
@click.option("--out", type=click.Path(path_type=Path), help="File to write.")
@click.option(
    "--serve",
    is_flag=True,
    help="Write nothing, and show the page to a browser until Ctrl-C: on 127.0.0.1 alone.",
)
@click.option(
    "--port", type=click.IntRange(0, 65535), default=0, help="Its port; any free one by default."
)
def command(run: Path, *, form: str, out: Path | None, serve: bool, port: int) -> int:
    """Report on RUN: which claims its measurements support or refute, and on what evidence."""
    import reports
    from benchmarks.results import runfolder

    loaded = runfolder.load(run)
    if serve:
        if out is not None or form != "html":
            raise click.UsageError("--serve shows the HTML page; give neither --out nor --format")
        return _served(reports.render(loaded, "html"), port)
    if port:
        raise click.UsageError("--port goes with --serve")
    target = out or (run / "report.html" if form == "html" else None)
    written = reports.write(loaded, form, target)
    if isinstance(written, Path):
        click.echo(f"report: {click.format_filename(written)}")
    else:
        click.echo(written.rstrip("\n"))
    return ExitCode.OK


def _served(page: str, port: int) -> int:
    """Serve a page until the user ends it."""
    from tare.serving import PageServer

    with PageServer(page.encode("utf-8", "replace"), port) as server:
        click.echo(server.told())
        with suppress(KeyboardInterrupt):
            server.serve_forever(poll_interval=0.1)
    return ExitCode.OK
