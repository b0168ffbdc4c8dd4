"""Draw each victim's slowdown beside each aggressor on a logarithmic axis."""

from collections.abc import Sequence

from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from reports.model.records import Estimate
from reports.renderers import units
from reports.renderers.plots import marks, svg
from reports.renderers.plots.roles import MUTED
from reports.renderers.plots.series import Series

_TICKS = (0.5, 1, 2, 4, 8, 16, 32, 64)


type Mark = tuple[str, str, Estimate, bool]
"""Victim and aggressor, sandbox, slowdown, and whether it is admissible."""


def interference(found: Sequence[Mark], series: Series) -> Figure:
    """Draw the sandboxes of each victim and aggressor below each other."""
    places = list(dict.fromkeys(label for label, *_ in found))
    shown = {sandbox for _, sandbox, *_ in found}
    names = [name for name in series.names if name in shown]
    figure = svg.figure(0.9 + 0.21 * len(places))
    axes = figure.subplots()
    axes.axvline(1, color=MUTED, lw=1)
    highest = 2.0
    for label, sandbox, slowdown, admissible in found:
        shift = 0.24 * (names.index(sandbox) - (len(names) - 1) / 2)
        place, look = places.index(label) + shift, series.look(sandbox)
        marks.dot(axes, place, slowdown, look, admissible=admissible, size=4.5)
        highest = max(highest, slowdown.high or 0, slowdown.estimate or 0)
    axes.set_xscale("log", base=2)
    axes.set_xlim(0.5, highest * 1.15)
    axes.xaxis.set_major_locator(FixedLocator([t for t in _TICKS if t <= highest * 1.15]))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}{units.TIMES}"))
    axes.xaxis.set_minor_locator(NullLocator())
    marks.rows(axes, places)
    axes.set_xlabel("times slower than in the quiet slot (logarithmic)", loc="left")
    svg.quiet(axes, grid="both")
    marks.legend(figure, series, names)
    return figure
