"""Draw cost against exposure, a panel a cost; a ring marks what no other beats."""

from collections.abc import Sequence
from typing import NamedTuple

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, NullLocator, PercentFormatter

from benchmarks.results.records import Unit
from reports.model.records import Estimate
from reports.renderers.plots import marks, svg
from reports.renderers.plots.roles import INK, MUTED
from reports.renderers.plots.series import Series


class Spot(NamedTuple):
    """A point: sandbox, cost, fewest and most leaks, and whether it ranks and is unbeaten."""

    sandbox: str
    cost: Estimate
    low: int
    high: int
    admissible: bool
    unbeaten: bool


type Panel = tuple[str, Unit, Sequence[Spot]]
"""The cost's name, its unit, and its points."""


def tradeoff(panels: Sequence[Panel], series: Series) -> Figure:
    """Draw the panels below each other; each point links to the leak matrix."""
    figure = svg.figure(0.5 + 1.5 * len(panels))
    grid = figure.subplots(len(panels), 1, squeeze=False)
    for axes, (title, unit, spots) in zip(grid[:, 0], panels, strict=True):
        for spot in spots:
            look = series.look(spot.sandbox)
            marks.dot(axes, spot.low, spot.cost, look, admissible=spot.admissible)
            point = axes.lines[-1]
            point.set_gid(f"point-{title.split()[0]}-{spot.sandbox.replace(':', '-')}")
            point.set_url("#leaks")
            x = spot.cost.estimate or 0.0
            axes.plot([x, x], [spot.low, spot.high], color=look.colour, lw=1.2)
            if spot.unbeaten:
                axes.plot([x], [spot.low], "o", ms=13, mfc="none", mec=INK, mew=1, clip_on=False)
        axes.set_title(title, color=MUTED)
        axes.yaxis.set_major_locator(MaxNLocator(4, integer=True))
        axes.set_ylim(-1, max(spot.high for spot in spots) * 1.15 + 1)
        axes.set_ylabel("leaks")
        if unit is Unit.RATIO:
            axes.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
        else:
            base = 16 if unit is Unit.BYTES else 10
            axes.set_xscale("log", base=base)
            axes.xaxis.set_minor_locator(NullLocator())
            axes.xaxis.set_major_formatter(marks.quantities(unit))
        axes.margins(x=0.12)
        svg.quiet(axes, grid="both")
    shown = {spot.sandbox for *_, spots in panels for spot in spots}
    names = [name for name in series.names if name in shown]
    marks.legend(figure, series, names, hollow=series.any_emulated)
    return figure
