"""Draw the memory ladder: dots on a logarithmic axis, since a bar there would mislead."""

from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator

from benchmarks.results.records import Unit
from reports.model.records import NumberRow
from reports.renderers.plots import marks, svg
from reports.renderers.plots.series import Series

_FAR = 256
"""Span from which the axis has fewer ticks."""


def memory(found: Sequence[NumberRow], rungs: Mapping[str, str], series: Series) -> Figure:
    """Draw positive medians, a line a rung.

    Args:
        found: What is drawn.
        rungs: Metric to label, in their order.
        series: The sandboxes.
    """
    figure = svg.figure(0.85 + 0.3 * len(rungs))
    axes = figure.subplots()
    lines = list(rungs)
    for row in found:
        look = series.look(row.sandbox)
        marks.dot(axes, lines.index(row.metric), row.median, look, admissible=row.admissible)
    low = min(row.median.estimate or 0 for row in found)
    high = max(row.median.estimate or 0 for row in found)
    axes.set_xscale("log", base=2)
    axes.set_xlim(low / 1.7, high * 1.7)
    axes.xaxis.set_major_locator(LogLocator(base=16 if high / low > _FAR else 4))
    axes.xaxis.set_major_formatter(marks.quantities(Unit.BYTES))
    axes.xaxis.set_minor_locator(NullLocator())
    marks.rows(axes, rungs.values())
    axes.set_xlabel("memory of one idle instance (logarithmic)")
    svg.quiet(axes, grid="both")
    shown = {row.sandbox for row in found}
    names = [name for name in series.names if name in shown]
    marks.legend(figure, series, names, hollow=series.any_emulated)
    return figure
