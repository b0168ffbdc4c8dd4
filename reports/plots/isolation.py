"""What a technology buys and costs, and what an aggressor does: two pictures of isolation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from benchmarks.results.records import Unit
from reports import units
from reports.plots import svg
from reports.plots.cast import cast, left_out, look

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from reports.document_model import Document
    from reports.model import Estimate

_TICKS = (0.5, 1, 2, 4, 8, 16, 32, 64)


def ablation(report: Document) -> svg.Picture | None:
    """Draw what opens without each technology beside what a start pays for it."""
    rows = sorted(report.ablation, key=lambda row: -len(row.opened))
    if not rows:
        return None
    with svg.drawing(0.9 + 0.24 * len(rows)) as figure:
        buys, costs, holds = figure.subplots(1, 3, sharey=True)
        names = [row.technology for row in rows]
        for place, row in enumerate(rows):
            buys.barh(place, len(row.opened), height=0.6, color=svg.SERIES[1])
            buys.text(len(row.opened) + 0.3, place, str(len(row.opened)), va="center", fontsize=7.5)
            _interval(costs, place, row.cost_s, 1e3, svg.SERIES[2])
            _interval(holds, place, row.cost_bytes, 1 / 1024, svg.SERIES[3])
        buys.set_xlim(0, max([len(row.opened) for row in rows]) * 1.25 + 1)
        for axes, title in (
            (buys, "opens without it"),
            (costs, "costs a start, ms"),
            (holds, "costs memory, KiB"),
        ):
            axes.set_yticks(range(len(rows)), names)
            axes.set_ylim(len(rows) - 0.5, -0.5)
            axes.set_title(title, color=svg.MUTED)
            svg.quiet(axes)
        for axes in (costs, holds):
            axes.axvline(0, color=svg.MUTED, lw=1)
        return svg.picture(
            figure,
            "ablation",
            "What opens without each technology, and what each costs",
            "For each technology of the container: how many probes and controls open without it, "
            "and by how many milliseconds a start and by how many KiB an instance grow with it. "
            + "; ".join(
                f"{row.technology} closes {len(row.opened)}"
                + (
                    f", costs {units.estimate(row.cost_s, Unit.SECONDS)}"
                    if row.cost_s is not None
                    else ""
                )
                + (
                    f" and {units.estimate(row.cost_bytes, Unit.BYTES)}"
                    if row.cost_bytes is not None
                    else ""
                )
                for row in rows
            ),
        )


def interference(report: Document) -> svg.Picture | None:
    """Draw each victim's slowdown beside each aggressor on a logarithmic axis."""
    shown = {box.name for box in cast(report)}
    rows = [
        row
        for row in report.ordeals
        if row.sandbox in shown and row.slowdown is not None and row.slowdown.estimate
    ]
    if not rows:
        return None
    places = list(dict.fromkeys((row.victim, row.aggressor) for row in rows))
    names = [box.name for box in cast(report) if any(row.sandbox == box.name for row in rows)]
    with svg.drawing(0.9 + 0.21 * len(places)) as figure:
        axes = figure.subplots()
        axes.axvline(1, color=svg.MUTED, lw=1)
        highest = 2.0
        for row in rows:
            assert row.slowdown is not None
            shift = 0.24 * (names.index(row.sandbox) - (len(names) - 1) / 2)
            place = places.index((row.victim, row.aggressor)) + shift
            drawn = look(report, row.sandbox)
            low, value, high = row.slowdown.low, row.slowdown.estimate, row.slowdown.high
            if low is not None and high is not None:
                axes.plot([low, high], [place, place], color=drawn.colour, lw=1.6)
                highest = max(highest, high)
            assert value is not None
            filled = drawn.colour if row.admissible else svg.PAPER
            axes.plot(
                [value],
                [place],
                marker=drawn.marker,
                ms=4.5,
                color=drawn.colour,
                mfc=filled,
                ls="",
            )
            highest = max(highest, value)
        axes.set_xscale("log", base=2)
        axes.set_xlim(0.5, highest * 1.15)
        axes.xaxis.set_major_locator(FixedLocator([t for t in _TICKS if t <= highest * 1.15]))
        axes.xaxis.set_major_formatter(FuncFormatter(_times))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.set_yticks(range(len(places)), [f"{victim} beside {by}" for victim, by in places])
        axes.set_ylim(len(places) - 0.5, -0.5)
        axes.set_xlabel("times slower than in the quiet slot (logarithmic)", loc="left")
        svg.quiet(axes, grid="both")
        handles = [
            Line2D(
                [],
                [],
                color=look(report, name).colour,
                marker=look(report, name).marker,
                ms=5,
                ls="",
                label=name,
            )
            for name in names
        ]
        figure.legend(handles=handles, loc="outside upper left", ncols=4, handletextpad=0.2)
        return svg.picture(
            figure,
            "interference",
            "Victims beside aggressors",
            "How many times slower each victim is beside each aggressor, on a logarithmic axis. "
            + left_out(report)
            + "; ".join(
                f"{row.victim} beside {row.aggressor} in {row.sandbox} "
                f"{units.estimate(row.slowdown, Unit.RATIO)}"
                for row in rows
            ),
        )


def _interval(axes: Axes, place: int, value: Estimate | None, factor: float, colour: str) -> None:
    if value is None or value.estimate is None:
        return
    if value.low is not None and value.high is not None:
        ends = [value.low * factor, value.high * factor]
        axes.plot(ends, [place, place], color=colour, lw=2)
    axes.plot([value.estimate * factor], [place], marker="o", ms=4.5, color=colour, ls="")


def _times(value: float, _: object) -> str:
    return f"{value:g}{units.TIMES}"
