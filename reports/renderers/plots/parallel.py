"""Draw starts a second over the number asked for at once, both on logarithmic axes."""

from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullLocator

from reports.renderers.plots import svg
from reports.renderers.plots.roles import PAPER
from reports.renderers.plots.series import Series

type Points = Sequence[tuple[int, float]]
"""Number asked for at once, and starts a second, ascending."""


def parallel(lines: Mapping[str, Points], series: Series) -> Figure:
    """Draw a line a sandbox."""
    counts = sorted({count for line in lines.values() for count, _ in line})
    figure = svg.figure(2.6)
    axes = figure.subplots()
    for name, line in lines.items():
        look = series.look(name)
        axes.plot(
            [count for count, _ in line],
            [rate for _, rate in line],
            color=look.colour,
            marker=look.marker,
            ms=5,
            mfc=PAPER if look.emulated else look.colour,
            ls=(0, (2, 1.5)) if look.emulated else "-",
        )
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    axes.xaxis.set_major_locator(FixedLocator(counts))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.0f}"))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_locator(LogLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}/s"))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.set_xlabel("asked for at the same moment")
    svg.quiet(axes, grid="both")
    handles = [
        Line2D([], [], color=look.colour, marker=look.marker, ms=5, label=name)
        for name in lines
        for look in [series.look(name)]
    ]
    figure.legend(handles=handles, loc="outside upper left", ncols=4, handletextpad=0.4)
    return figure
