"""Memory and throughput: one dot with its interval for each sandbox and metric."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from benchmarks.experiments import base as experiments
from benchmarks.results import metrics
from benchmarks.results.records import Unit
from reports import units
from reports.case import ratio
from reports.claims import declared
from reports.plots import svg
from reports.plots.cast import Look, cast, left_out, look

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes

    from reports.document_model import Document
    from reports.model import Estimate, NumberRow

_MANY = 12
"""Rows from which they stand closer together."""
_WIDEST = 2.0
"""Ratio at which an interval is cut, unless an estimate lies further out."""
_WIDE = 1.4
"""Ratio from which the axis has fewer ticks."""

_SHORT = {
    "uss_bytes": "unique (USS)",
    "pss_bytes": "proportional (PSS)",
    "rss_bytes": "resident (RSS)",
    "cgroup_bytes": "memory cgroup",
    "memavailable_delta_bytes": "MemAvailable falls by",
    "vmm_bytes": "VMM beyond RAM",
    "guest_ram_bytes": "guest RAM, resident",
    "guest_used_bytes": "in use by the guest",
}


def memory(report: Document) -> svg.Picture | None:
    """Draw the memory ladder on a logarithmic axis: dots, since a bar there would mislead."""
    found = [row for row in memory_rows(report) if (row.median.estimate or 0) > 0]
    drawn = [box.name for box in cast(report)]
    found = [row for row in found if row.metric in _SHORT and row.sandbox in drawn]
    rungs = [metric for metric in _SHORT if any(row.metric == metric for row in found)]
    if not rungs:
        return None
    with svg.drawing(0.85 + 0.3 * len(rungs)) as figure:
        axes = figure.subplots()
        for row in found:
            _dot(axes, rungs.index(row.metric), row, row.median, look(report, row.sandbox))
        axes.set_xscale("log", base=2)
        low = min(row.median.estimate or 0 for row in found)
        high = max(row.median.estimate or 0 for row in found)
        axes.set_xlim(low / 1.7, high * 1.7)
        axes.xaxis.set_major_locator(LogLocator(base=16 if high / low > 256 else 4))  # noqa: PLR2004
        axes.xaxis.set_major_formatter(FuncFormatter(_size))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.set_yticks(range(len(rungs)), [_SHORT[rung] for rung in rungs])
        axes.set_ylim(len(rungs) - 0.5, -0.5)
        axes.set_xlabel("memory of one idle instance (logarithmic)")
        svg.quiet(axes, grid="both")
        _legend(figure, report, {row.sandbox for row in found})
        return svg.picture(
            figure,
            "memory-ladder",
            "Memory of one idle instance",
            "Median of each way to count an idle instance's memory, on a logarithmic axis. "
            + left_out(report)
            + "; ".join(
                f"{row.sandbox} {_SHORT[row.metric]} "
                f"{units.quantity(row.median.estimate, row.unit)}"
                for row in found
            ),
        )


def throughput(report: Document) -> svg.Picture | None:
    """Draw throughput relative to native with the band in which it counts as equal."""
    found = [
        row
        for row in throughput_rows(report)
        if row.to_native is not None and row.to_native.estimate is not None
    ]
    found = [row for row in found if row.sandbox in {box.name for box in cast(report)}]
    if not found:
        return None
    workloads = list(dict.fromkeys(row.workload for row in found))
    drawn = [box.name for box in cast(report)]
    places = [(workload, name) for workload in workloads for name in drawn]
    places = [key for key in places if any((r.workload, r.sandbox) == key for r in found)]
    factor = next(claim.factor for claim in declared().claim if claim.id == "no-extra-layer") or 0
    with svg.drawing(0.95 + (0.3 if len(places) <= _MANY else 0.2) * len(places)) as figure:
        axes = figure.subplots()
        axes.axvspan(1 / (1 + factor), 1 + factor, color=svg.BAND, lw=0)
        axes.axvline(1, color=svg.MUTED, lw=1)
        highest = _reach([row.to_native for row in found if row.to_native])
        for row in found:
            assert row.to_native is not None
            place = places.index((row.workload, row.sandbox))
            shown = row.to_native
            if shown.high is not None and shown.high > highest:
                axes.plot([highest], [place], ">", ms=4, color=look(report, row.sandbox).colour)
                shown = msgspec.structs.replace(shown, high=highest)
            _dot(axes, place, row, shown, look(report, row.sandbox))
            label = units.quantity(row.to_native.estimate, Unit.RATIO)
            label += "" if row.admissible else " inadmissible"
            axes.text(highest * 1.04, place, label, va="center", fontsize=7.5, color=svg.INK)
        axes.set_xlim(0, highest * 1.5)
        ticks = (0, 0.25, 0.5, 0.75, 1) if highest < _WIDE else (0, 0.5, 1, 1.5, 2)
        axes.set_xticks([tick for tick in ticks if tick <= highest])
        axes.set_yticks(
            range(len(places)),
            [
                f"{workload}, {name}" + (" \N{DAGGER}" if look(report, name).emulated else "")
                for workload, name in places
            ],
        )
        axes.set_ylim(len(places) - 0.5, -0.5)
        equal = f"native = 1; shaded: equal within {units.percent(factor)}"
        axes.set_xlabel(equal, loc="left")
        svg.quiet(axes)
        return svg.picture(
            figure,
            "throughput",
            "Throughput against native",
            "Ratio of each sandbox's throughput to the native one with its interval. "
            + left_out(report)
            + "; ".join(
                f"{row.workload} in {row.sandbox} {ratio(row.to_native)}"
                f"{'' if row.admissible else ' (inadmissible)'}"
                for row in found
                if row.to_native
            ),
        )


def _reach(ratios: Sequence[Estimate]) -> float:
    """Return how far the axis goes: a wide interval is cut, lest it squeeze the others."""
    most = max(one.estimate or 1 for one in ratios)
    widest = max(one.high or one.estimate or 1 for one in ratios)
    return max(1.1, min(widest, max(_WIDEST, 1.1 * most)))


def memory_rows(report: Document) -> list[NumberRow]:
    """Return the rows that belong under the memory picture."""
    return [row for row in report.numbers if row.workload == metrics.MEMORY]


def throughput_rows(report: Document) -> list[NumberRow]:
    """Return the rows of all throughputs of workloads."""
    return [
        row
        for row in report.numbers
        if row.unit is Unit.PER_SECOND and row.workload not in experiments.names()
    ]


def _dot(axes: Axes, place: int, row: NumberRow, value: Estimate, drawn: Look) -> None:
    """Draw an estimate and its interval; hollow where it is not admissible."""
    if value.estimate is None:
        return
    colour = drawn.colour
    if value.low is not None and value.high is not None:
        style = "-" if row.admissible else (0, (2, 1.5))
        axes.plot([value.low, value.high], [place, place], color=colour, lw=2.2, ls=style)
    axes.plot(
        [value.estimate],
        [place],
        marker=drawn.marker,
        ms=6.5,
        color=colour,
        mfc=colour if row.admissible else svg.PAPER,
        mew=1.4,
        ls="",
        clip_on=False,
    )


def _legend(figure: object, report: Document, shown: set[str]) -> None:
    handles = [
        Line2D(
            [],
            [],
            color=look(report, sandbox.name).colour,
            marker=look(report, sandbox.name).marker,
            ms=6,
            ls="",
            label=sandbox.name,
        )
        for sandbox in cast(report)
        if sandbox.name in shown
    ]
    if any(not sandbox.admissible_cpu for sandbox in report.sandboxes):
        hollow = Line2D(
            [], [], color=svg.MUTED, marker="o", mfc=svg.PAPER, ms=6, ls="", label="inadmissible"
        )
        handles.append(hollow)
    figure.legend(handles=handles, loc="outside upper left", ncols=4, handletextpad=0.2)  # type: ignore[attr-defined]


def _size(value: float, _: object) -> str:
    return units.quantity(value, Unit.BYTES).replace("\u00a0", " ")
