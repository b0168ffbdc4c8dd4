"""Draw what several pictures have in common: dots with intervals, legends, axes of quantities."""

from collections.abc import Iterable

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter

from benchmarks.results.records import Unit
from reports.model.records import Estimate
from reports.renderers import units
from reports.renderers.plots.roles import MUTED, PAPER
from reports.renderers.plots.series import Look, Series

_ROW = 4
"""Names that fit beside each other; more are longer, too: they are variants."""


def dot(
    axes: Axes, place: float, value: Estimate, look: Look, *, admissible: bool, size: float = 6.5
) -> None:
    """Draw an estimate and its interval; hollow and dashed where it is not admissible."""
    if value.estimate is None:
        return
    if value.low is not None and value.high is not None:
        style = "-" if admissible else (0, (2, 1.5))
        ends = [value.low, value.high]
        axes.plot(ends, [place, place], color=look.colour, lw=size / 3, ls=style)
    axes.plot(
        [value.estimate],
        [place],
        marker=look.marker,
        ms=size,
        color=look.colour,
        mfc=look.colour if admissible else PAPER,
        mew=1.4,
        ls="",
        clip_on=False,
    )


def legend(figure: Figure, series: Series, names: Iterable[str], *, hollow: bool = False) -> None:
    """Name the sandboxes above a picture, and what a hollow mark means where there is one."""
    handles = [
        Line2D([], [], color=look.colour, marker=look.marker, ms=5.5, ls="", label=name)
        for name in names
        for look in [series.look(name)]
    ]
    if hollow:
        handles.append(
            Line2D([], [], color=MUTED, marker="o", mfc=PAPER, ms=5.5, ls="", label="inadmissible")
        )
    figure.legend(
        handles=handles,
        loc="outside upper left",
        ncols=3 if len(handles) > _ROW else _ROW,
        handletextpad=0.2,
    )


def rows(axes: Axes, names: Iterable[str]) -> None:
    """Name the lines of a picture, the first at the top."""
    labels = list(names)
    axes.set_yticks(range(len(labels)), labels)
    axes.set_ylim(len(labels) - 0.5, -0.5)


def quantities(unit: Unit) -> FuncFormatter:
    """Return an axis' formatter of values in a unit."""
    return FuncFormatter(lambda value, _: units.quantity(value, unit).replace("\u00a0", " "))
