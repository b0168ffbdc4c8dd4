"""``tare compare``: tell whether a run is worse than another."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tare import completion
from tare.errors import ExitCode

if TYPE_CHECKING:
    from click import Context, Parameter

    from reports.comparison.changes import Comparison


def finite(context: Context, option: Parameter, value: float) -> float:
    """Refuse what is no number, such as nan."""
    del context, option
    if not math.isfinite(value):
        raise click.BadParameter(f"{value} is no fraction, such as 0.05")
    return value


@click.command("compare")
@click.argument("base", type=click.Path(path_type=Path), shell_complete=completion.runs)
@click.argument("new", type=click.Path(path_type=Path), shell_complete=completion.runs)
@click.option(
    "--threshold",
    type=click.FloatRange(min=0.0, min_open=True),
    default=0.05,
    show_default=True,
    callback=finite,
    help="Smallest relative change that counts.",
)
@click.option(
    "--allow-inconclusive",
    is_flag=True,
    help="End with 0 also where some headline is undecided.",
)
@click.option(
    "--images-equivalent",
    is_flag=True,
    help="State that the runs' different images stand for each other.",
)
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text")
def command(  # one parameter an option
    base: Path,
    new: Path,
    *,
    threshold: float,
    allow_inconclusive: bool,
    images_equivalent: bool,
    form: str,
) -> int:
    """Compare NEW with BASE.

    Ends with 3 when NEW is worse beyond interval and threshold, and with 5 when the runs cannot be
    compared, could not have shown the threshold in any headline, or left one undecided.
    """
    import reports
    from benchmarks.results import runfolder

    runs = runfolder.load(base), runfolder.load(new)
    result = reports.compare(*runs, threshold, images_equivalent=images_equivalent)
    click.echo(reports.render_comparison(result, form).rstrip("\n"))
    return ended(result, allow_inconclusive=allow_inconclusive)


def ended(result: Comparison, *, allow_inconclusive: bool) -> ExitCode:
    """Return how a command ends that was asked for a comparison."""
    if result.regressed:
        return ExitCode.REGRESSION
    if not result.comparable or result.entirely_blind:
        return ExitCode.INCONCLUSIVE
    undecided = result.undecided and not allow_inconclusive
    return ExitCode.INCONCLUSIVE if undecided else ExitCode.OK
