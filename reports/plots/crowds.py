"""Starts at the same moment: how the rate grows with their number, and where it stops to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullLocator

from benchmarks.results import metrics
from benchmarks.results.records import Unit
from reports import units
from reports.plots import svg
from reports.plots.cast import cast, left_out, look

if TYPE_CHECKING:
    from reports.document_model import Document
    from reports.model import NumberRow

_RATE = "parallel_starts_per_s"
_FEWEST = 2
"""One number of starts makes no line."""


def parallel(report: Document) -> svg.Picture | None:
    """Draw starts a second over the number asked for at once, both logarithmic."""
    lines = {box.name: _line(report, box.name) for box in cast(report)}
    lines = {name: line for name, line in lines.items() if len(line) >= _FEWEST}
    if not lines:
        return None
    counts = sorted({count for line in lines.values() for count, _ in line})
    with svg.drawing(2.6) as figure:
        axes = figure.subplots()
        for name, line in lines.items():
            drawn = look(report, name)
            axes.plot(
                [count for count, _ in line],
                [row.median.estimate or 0 for _, row in line],
                color=drawn.colour,
                marker=drawn.marker,
                ms=5,
                mfc=svg.PAPER if drawn.emulated else drawn.colour,
                ls=(0, (2, 1.5)) if drawn.emulated else "-",
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
            Line2D([], [], color=look(report, name).colour, marker=look(report, name).marker,
                   ms=5, label=name)
            for name in lines
        ]  # fmt: skip
        figure.legend(handles=handles, loc="outside upper left", ncols=4, handletextpad=0.4)
        return svg.picture(
            figure,
            "parallel-starts",
            "Starts a second, many asked for at once",
            "Starts a second over the number that was asked for at the same moment. "
            + left_out(report)
            + "; ".join(
                f"{name} {count} at once {units.quantity(row.median.estimate, Unit.PER_SECOND)}"
                for name, line in lines.items()
                for count, row in line
            ),
        )


def rows(report: Document, *workloads: str) -> list[NumberRow]:
    """Return the rows of built-in workloads that have a table of their own."""
    return [row for row in report.numbers if row.workload in workloads]


def _line(report: Document, sandbox: str) -> list[tuple[int, NumberRow]]:
    found = [
        (int(row.parameters["instances"]), row)
        for row in rows(report, metrics.PARALLEL)
        if row.metric == _RATE and row.sandbox == sandbox and row.median.estimate is not None
        if "instances" in row.parameters
    ]
    return sorted(found, key=lambda point: point[0])
