"""Draw what opens without each technology beside what a start and an instance pay for it."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from reports.model.records import Estimate
from reports.renderers.plots import marks, svg
from reports.renderers.plots.roles import MUTED, SERIES

type Bar = tuple[str, int | None, Estimate | None, Estimate | None]
"""A technology; what opens without it, seconds and bytes it costs, None where not known."""


def ablation(bars: Sequence[Bar]) -> Figure:
    """Draw three panels side by side, a line a technology."""
    figure = svg.figure(0.9 + 0.24 * len(bars))
    buys, costs, holds = figure.subplots(1, 3, sharey=True)
    for place, (_, opened, cost_s, cost_bytes) in enumerate(bars):
        if opened is not None:
            buys.barh(place, opened, height=0.6, color=SERIES[1])
            buys.text(opened + 0.3, place, str(opened), va="center", fontsize=7.5)
        _interval(costs, place, cost_s, 1e3, SERIES[2])
        _interval(holds, place, cost_bytes, 1 / 1024, SERIES[3])
    buys.set_xlim(0, max(opened or 0 for _, opened, *_ in bars) * 1.25 + 1)
    for axes, title in (
        (buys, "opens without it"),
        (costs, "costs a start, ms"),
        (holds, "costs memory, KiB"),
    ):
        marks.rows(axes, (technology for technology, *_ in bars))
        axes.set_title(title, color=MUTED)
        svg.quiet(axes)
    for axes in (costs, holds):
        axes.axvline(0, color=MUTED, lw=1)
    return figure


def _interval(axes: Axes, place: int, value: Estimate | None, factor: float, colour: str) -> None:
    if value is None or value.estimate is None:
        return
    if value.low is not None and value.high is not None:
        ends = [value.low * factor, value.high * factor]
        axes.plot(ends, [place, place], color=colour, lw=2)
    axes.plot([value.estimate * factor], [place], marker="o", ms=4.5, color=colour, ls="")
