"""``tare compare``: tell whether a run is worse than another."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tare.errors import ExitCode

if TYPE_CHECKING:
    from click import Context, Parameter


def _finite(context: Context, option: Parameter, value: float) -> float:
    del context, option
    if not math.isfinite(value):
        raise click.BadParameter(f"{value} is no fraction, such as 0.05")
    return value


@click.command("compare")
@click.argument("base", type=click.Path(path_type=Path))
@click.argument("new", type=click.Path(path_type=Path))
@click.option(
    "--threshold",
    type=click.FloatRange(min=0.0, min_open=True),
    default=0.05,
    show_default=True,
    callback=_finite,
    help="Smallest relative change that counts.",
)
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text")
def command(base: Path, new: Path, *, threshold: float, form: str) -> int:
    """Compare NEW with BASE.

    Ends with 3 when NEW is worse beyond interval and threshold, and with 5 when the runs cannot be
    compared or are too noisy to tell anything.
    """
    import reports
    from benchmarks.results import runfolder

    result = reports.compare(runfolder.load(base), runfolder.load(new), threshold)
    click.echo(reports.render_comparison(result, form).rstrip("\n"))
    if not result.comparable or result.undecided:
        return ExitCode.INCONCLUSIVE
    return ExitCode.REGRESSION if result.regressed else ExitCode.OK
