"""Draw throughput relative to native, with the band in which it counts as equal."""

from collections.abc import Sequence

import msgspec
from matplotlib.figure import Figure

from benchmarks.results.records import Unit
from reports.model.records import NumberRow
from reports.renderers import units
from reports.renderers.plots import marks, svg
from reports.renderers.plots.roles import BAND, INK, MUTED
from reports.renderers.plots.series import Series

_MANY = 12
"""Rows from which they stand closer together."""
_WIDEST = 2.0
"""Ratio at which an interval is cut, unless an estimate lies further out."""
_WIDE = 1.4
"""Ratio from which the axis has fewer ticks."""


def throughput(found: Sequence[NumberRow], factor: float, series: Series) -> Figure:
    """Draw a dot for each workload and sandbox.

    Args:
        found: Rows with a ratio to native.
        factor: Margin of the band, as a fraction.
        series: The sandboxes.
    """
    drawn = {(row.workload, row.sandbox) for row in found}
    workloads = dict.fromkeys(row.workload for row in found)
    places = [(w, name) for w in workloads for name in series.names if (w, name) in drawn]
    figure = svg.figure(0.95 + (0.3 if len(places) <= _MANY else 0.2) * len(places))
    axes = figure.subplots()
    axes.axvspan(1 / (1 + factor), 1 + factor, color=BAND, lw=0)
    axes.axvline(1, color=MUTED, lw=1)
    highest = _reach(found)
    for row in found:
        shown = row.to_native
        assert shown is not None
        place, look = places.index((row.workload, row.sandbox)), series.look(row.sandbox)
        label = units.quantity(shown.estimate, Unit.RATIO)
        if shown.high is not None and shown.high > highest:
            axes.plot([highest], [place], ">", ms=4, color=look.colour)
            shown = msgspec.structs.replace(shown, high=highest)
        marks.dot(axes, place, shown, look, admissible=row.admissible)
        label += "" if row.admissible else " inadmissible"
        axes.text(highest * 1.04, place, label, va="center", fontsize=7.5, color=INK)
    axes.set_xlim(0, highest * (1.5 if all(row.admissible for row in found) else 1.7))
    ticks = (0, 0.25, 0.5, 0.75, 1) if highest < _WIDE else (0, 0.5, 1, 1.5, 2)
    axes.set_xticks([tick for tick in ticks if tick <= highest])
    marks.rows(
        axes,
        (
            f"{workload}, {name}" + (" \N{DAGGER}" if series.look(name).emulated else "")
            for workload, name in places
        ),
    )
    axes.set_xlabel(f"native = 1; shaded: equal within {units.percent(factor)}", loc="left")
    svg.quiet(axes)
    return figure


def _reach(found: Sequence[NumberRow]) -> float:
    """Return how far the axis goes: a wide interval is cut, lest it squeeze the others."""
    ratios = [row.to_native for row in found if row.to_native]
    most = max(one.estimate or 1 for one in ratios)
    widest = max(one.high or one.estimate or 1 for one in ratios)
    return max(1.1, min(widest, max(_WIDEST, 1.1 * most)))
