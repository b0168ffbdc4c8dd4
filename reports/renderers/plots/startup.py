"""Draw the start of each sandbox: how long, where the time goes, and how it spreads."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import LogLocator, NullLocator
from numpy.typing import NDArray

from benchmarks.results import metrics
from benchmarks.results.records import Unit
from reports.renderers import units
from reports.renderers.plots import marks, svg
from reports.renderers.plots.roles import MUTED, PAPER, STEPS
from reports.renderers.plots.series import Series

type Steps = Sequence[tuple[str, float]]
"""Boundaries with their median times in seconds, in the order they are passed."""

_STEP_NAMES = {
    "spawned": "spawn the process",
    "ready": "make namespaces / VMM",
    "kernel": "load the kernel",
    "init": "boot to init",
    "main": "to the workload",
}


def ladder(steps: Mapping[str, Steps], series: Series) -> Figure:
    """Draw the start as stacked bars: once on a common scale, then each on its own.

    A bar's length means time only on a linear scale, so none is logarithmic; what a common linear
    scale hides (a container beside a VM is a hairline), the second panel shows enlarged, every bar
    filled to the same width and its length written beside it.
    """
    figure = svg.figure(1.35 + 0.52 * len(steps))
    common, own = figure.subplots(2, 1)
    longest = max(found[-1][1] for found in steps.values())
    scale = units.scale(longest, Unit.SECONDS)
    for place, (name, found) in enumerate(steps.items()):
        whole, emulated = found[-1][1], series.look(name).emulated
        _stack(common, place, found, 1 / scale.factor, emulated=emulated)
        _stack(own, place, found, 1 / whole, emulated=emulated)
        label = units.quantity(whole, Unit.SECONDS) + ("\u2009\N{DAGGER}" if emulated else "")
        end = (whole + 0.015 * longest) / scale.factor
        common.text(end, place, label, va="center", fontsize=8)
        own.text(1.015, place, label, va="center", fontsize=8)
    for axes, title in (
        (common, f"On one scale ({scale.name})"),
        (own, "Each on its own scale, by step"),
    ):
        marks.rows(axes, steps)
        axes.set_title(title, color=MUTED)
        svg.quiet(axes)
    common.set_xlim(0, 1.22 * longest / scale.factor)
    own.set_xlim(0, 1.22)
    own.xaxis.set_major_locator(NullLocator())
    own.grid(visible=False)
    used = [step for step in metrics.BOUNDARIES if any(step in dict(f) for f in steps.values())]
    handles = [Patch(facecolor=_colour(step), label=_STEP_NAMES[step]) for step in used]
    figure.legend(handles=handles, loc="outside lower left", ncols=3, handlelength=1)
    return figure


def spread(found: Mapping[str, NDArray[np.float64]], series: Series) -> Figure:
    """Draw the cumulative distribution of whole starts, ascending, on a logarithmic time axis."""
    figure = svg.figure(2.5)
    axes = figure.subplots()
    handles = []
    for name, values in found.items():
        look = series.look(name)
        line = ":" if look.emulated else "-"
        kept = _thinned(values)
        height = np.arange(1, len(kept) + 1) / len(kept)
        axes.step([kept[0], *kept], [0, *height], where="post", color=look.colour, ls=line, lw=1.8)
        label = f"{name} \N{DAGGER}" if look.emulated else name
        handles.append(Line2D([], [], color=look.colour, ls=line, lw=1.8, label=label))
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(base=10))
    axes.xaxis.set_major_formatter(marks.quantities(Unit.SECONDS))
    axes.xaxis.set_minor_locator(NullLocator())
    low, high = (f(v[0 if f is min else -1] for v in found.values()) for f in (min, max))
    axes.set_xlim(10 ** np.floor(np.log10(low)), 10 ** np.ceil(np.log10(high)))
    axes.set_yticks([0, 0.5, 1], ["0", "half", "all"])
    axes.set_xlabel("time to the workload's first instruction (logarithmic)")
    svg.quiet(axes, grid="both")
    figure.legend(handles=handles, loc="outside upper left", ncols=3, handlelength=1.6)
    return figure


def _stack(axes: Axes, place: int, steps: Steps, factor: float, *, emulated: bool) -> None:
    before = 0.0
    for step, until in steps:
        guest = emulated and step not in {"spawned", "ready"}
        axes.barh(
            place,
            (until - before) * factor,
            left=before * factor,
            height=0.56,
            color=_colour(step),
            edgecolor=PAPER,
            linewidth=0.5 if guest else 0,
            hatch="////" if guest else None,
        )
        before = until


def _colour(step: str) -> str:
    return STEPS[metrics.BOUNDARIES.index(step)]


def _thinned(values: NDArray[np.float64], most: int = 400) -> NDArray[np.float64]:
    """Keep a curve's shape with few points, its ends included."""
    if len(values) <= most:
        return values
    return np.asarray(values[np.linspace(0, len(values) - 1, most).astype(int)])
