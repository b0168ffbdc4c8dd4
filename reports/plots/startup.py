"""The start of each sandbox: how long, where the time goes, and how it spreads."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from benchmarks.results import metrics
from benchmarks.results.records import Unit
from reports import units
from reports.frame import measured, select
from reports.plots import svg
from reports.plots.cast import cast, left_out, look

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from reports.document_model import Document
    from reports.model import NumberRow

_STEP_NAMES = {
    "spawned": "spawn the process",
    "ready": "make namespaces / VMM",
    "kernel": "load the kernel",
    "init": "boot to init",
    "main": "to the workload",
}


def ladder(report: Document) -> svg.Picture | None:
    """Draw the start as stacked bars: once on a common scale, then each on its own.

    A bar's length means time only on a linear scale, so none is logarithmic; what a common linear
    scale hides (a container beside a VM is a hairline), the second panel shows enlarged, every bar
    filled to the same width and its length written beside it.
    """
    steps = {sandbox.name: _steps(report, sandbox.name) for sandbox in report.sandboxes}
    steps = {name: found for name, found in steps.items() if found}
    if not steps:
        return None
    with svg.drawing(1.35 + 0.52 * len(steps)) as figure:
        common, own = figure.subplots(2, 1)
        longest = max(found[-1][1] for found in steps.values())
        scale = units.scale(longest, Unit.SECONDS)
        for place, (name, found) in enumerate(steps.items()):
            whole = found[-1][1]
            emulated = look(report, name).emulated
            _stack(common, place, found, 1 / scale.factor, emulated=emulated)
            _stack(own, place, found, 1 / whole, emulated=emulated)
            label = units.quantity(whole, Unit.SECONDS)
            mark = "\u2009\N{DAGGER}" if emulated else ""
            common.text(
                (whole + 0.015 * longest) / scale.factor,
                place,
                f"{label}{mark}",
                va="center",
                fontsize=8,
            )
            own.text(1.015, place, f"{label}{mark}", va="center", fontsize=8)
        _rows(common, steps, f"On one scale ({scale.name})")
        common.set_xlim(0, 1.22 * longest / scale.factor)
        _rows(own, steps, "Each on its own scale, by step")
        own.set_xlim(0, 1.22)
        own.xaxis.set_major_locator(NullLocator())
        own.grid(visible=False)
        used = [step for step in metrics.BOUNDARIES if any(step in dict(f) for f in steps.values())]
        handles = [Patch(facecolor=_colour(step), label=_STEP_NAMES[step]) for step in used]
        figure.legend(handles=handles, loc="outside lower left", ncols=3, handlelength=1)
        return svg.picture(
            figure,
            "startup-ladder",
            "Start, step by step",
            "Stacked bars of the median time from the request to the workload's first "
            "instruction. "
            + "; ".join(
                f"{name} {units.quantity(found[-1][1], Unit.SECONDS)}"
                for name, found in steps.items()
            ),
        )


def spread(report: Document, table: pd.DataFrame) -> svg.Picture | None:
    """Draw the cumulative distribution of whole starts on a logarithmic time axis."""
    found = {
        sandbox.name: np.sort(
            measured(select(table, sandbox.name, metrics.STARTUP, "startup_main_s"))[
                "value"
            ].to_numpy(),
        )
        for sandbox in cast(report)
    }
    found = {name: values for name, values in found.items() if len(values) and values[0] > 0}
    if not found:
        return None
    with svg.drawing(2.5) as figure:
        axes = figure.subplots()
        handles = []
        for name, values in found.items():
            colour, _, emulated = look(report, name)
            line = ":" if emulated else "-"
            kept = _thinned(values)
            height = np.arange(1, len(kept) + 1) / len(kept)
            axes.step([kept[0], *kept], [0, *height], where="post", color=colour, ls=line, lw=1.8)
            label = f"{name} \N{DAGGER}" if emulated else name
            handles.append(Line2D([], [], color=colour, ls=line, lw=1.8, label=label))
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(base=10))
        axes.xaxis.set_major_formatter(FuncFormatter(_seconds))
        axes.xaxis.set_minor_locator(NullLocator())
        low, high = (f(v[0 if f is min else -1] for v in found.values()) for f in (min, max))
        axes.set_xlim(10 ** np.floor(np.log10(low)), 10 ** np.ceil(np.log10(high)))
        axes.set_yticks([0, 0.5, 1], ["0", "half", "all"])
        axes.set_xlabel("time to the workload's first instruction (logarithmic)")
        svg.quiet(axes, grid="both")
        figure.legend(handles=handles, loc="outside upper left", ncols=3, handlelength=1.6)
        return svg.picture(
            figure,
            "startup-spread",
            "Start, every sample",
            "Cumulative share of starts that have reached the workload's first instruction, by "
            "time on a logarithmic axis. "
            + left_out(report)
            + "; ".join(
                f"{name} from {units.quantity(float(values[0]), Unit.SECONDS)} to "
                f"{units.quantity(float(values[-1]), Unit.SECONDS)}"
                for name, values in found.items()
            ),
        )


def _steps(report: Document, sandbox: str) -> list[tuple[str, float]]:
    """Return the boundaries with their median times in seconds, in the order they are passed."""
    medians = {row.metric: row.median.estimate for row in rows(report) if row.sandbox == sandbox}
    found: list[tuple[str, float]] = []
    for step in metrics.BOUNDARIES:
        median = medians.get(f"startup_{step}_s")
        if median is not None:
            found.append((step, max(median, found[-1][1] if found else 0.0)))
    return found


def rows(report: Document) -> list[NumberRow]:
    """Return the rows that belong under the pictures of the start."""
    return [row for row in report.numbers if row.workload == metrics.STARTUP]


def _stack(
    axes: Axes, place: int, steps: list[tuple[str, float]], factor: float, *, emulated: bool
) -> None:
    before = 0.0
    for step, until in steps:
        guest = emulated and step not in {"spawned", "ready"}
        axes.barh(
            place,
            (until - before) * factor,
            left=before * factor,
            height=0.56,
            color=_colour(step),
            edgecolor=svg.PAPER,
            linewidth=0.5 if guest else 0,
            hatch="////" if guest else None,
        )
        before = until


def _rows(axes: Axes, steps: dict[str, list[tuple[str, float]]], title: str) -> None:
    axes.set_yticks(range(len(steps)), list(steps))
    axes.set_ylim(len(steps) - 0.5, -0.5)
    axes.set_title(title, color=svg.MUTED)
    svg.quiet(axes)


def _colour(step: str) -> str:
    return svg.STEPS[metrics.BOUNDARIES.index(step)]


def _seconds(value: float, _: object) -> str:
    return units.quantity(value, Unit.SECONDS).replace("\u00a0", " ")


def _thinned(values: NDArray[np.float64], most: int = 400) -> NDArray[np.float64]:
    """Keep a curve's shape with few points, its ends included."""
    if len(values) <= most:
        return values
    return np.asarray(values[np.linspace(0, len(values) - 1, most).astype(int)])
