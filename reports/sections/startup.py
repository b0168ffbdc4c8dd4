"""Show how long a start takes, where the time goes, and how it spreads."""

import msgspec
import numpy as np
from numpy.typing import NDArray

from benchmarks.results import metrics
from benchmarks.results.records import Unit
from reports.model.content import MISSING, Content, Paragraph, Picture, Table, Text, columns, said
from reports.model.frame import every, select
from reports.model.predecessors import Predecessor, predecessors
from reports.model.rundata import RunData
from reports.model.spread import QUANTILES, StartSpread, spreads
from reports.renderers import plots, units
from reports.renderers.plots.series import Series
from reports.sections import tables
from reports.sections.base import Section

_INTRO = (
    "From the request to the first instruction of the workload, on the host's clock. Every value "
    "is a median over blocks, of starts with warm caches. A start that is cheap is repeated within "
    "a block, and the block counts once, with the median of its repetitions."
)
_CAPTION = "Median and 95 % interval, counted from the request; a stop from its own request"
_LEVELS = (
    "How starts vary: relative standard deviation within a block, and between blocks beyond it"
)
_QUANTILES = "All starts: quantiles where there are enough of them, with 95 % intervals over blocks"
_BEHIND = "What the start before does to a start: ratio within blocks, 95 % interval"
_MOVED = (
    "What was started just before changes a start of {names} by half or more. Orders are balanced, "
    "so that a median lies between the two; who starts one thing again and again, or one alone, "
    "sees one of the lines below."
)
_MUCH = 1.5
"""From this ratio on it is said that the start before matters."""
_HEADLINES = {(metrics.STARTUP, "startup_main_s"): "start"}


def build(data: RunData) -> Content:
    """Show the boundaries of each sandbox's start, and every sample of the whole."""
    content = tables.counted(
        data,
        data.of(metrics.STARTUP),
        said(_INTRO),
        *_ladder(data),
        *_spread(data),
        head="Reached",
        caption=_CAPTION,
        headlines=_HEADLINES,
    )
    before, spread = data.once(predecessors), data.once(spreads)
    if content.blocks:
        more = (*_quantiles(spread), *_levels(data), *_behind(before))
        content = msgspec.structs.replace(content, blocks=(*content.blocks, *more))
    records = {"predecessors": before, "start_spreads": spread}
    return msgspec.structs.replace(content, records=records)


def _quantiles(found: tuple[StartSpread, ...]) -> tuple[Table, ...]:
    """Show the quantiles for which there are starts enough, and the modes where there are two."""
    shown = (f"p{100 * share:.0f}#" for share in QUANTILES)
    heads = columns("Sandbox", "Starts#", *shown, "Modes~")
    rows: list[tuple[Text, ...]] = [
        (
            one.sandbox,
            str(one.starts),
            *(tables.estimate(value, Unit.SECONDS) for value in one.quantiles.values()),
            _modes(one),
        )
        for one in found
    ]
    return (Table(_QUANTILES, heads, tuple(rows)),) if rows else ()


def _modes(one: StartSpread) -> str:
    if one.modes is None:
        return "no two told apart"
    low, high = (units.quantity(at, Unit.SECONDS) for at in (one.modes.low_s, one.modes.high_s))
    share = one.modes.high_share
    return f"{units.percent(1 - share)} around {low}, {units.percent(share)} around {high}"


def _behind(found: tuple[Predecessor, ...]) -> tuple[Paragraph | Table, ...]:
    """Show what the start before does to a start, where more than one sandbox came before."""
    rows = tuple(
        (
            one.sandbox,
            one.after,
            str(one.starts),
            units.quantity(one.median_s, Unit.SECONDS),
            units.ratio(one.effect) if one.effect else MISSING,
        )
        for one in found
        if sum(other.sandbox == one.sandbox for other in found) > 1
    )
    heads = columns("Sandbox", "Right after", "Starts#", "Median#", "Over its other starts#")
    moved = list(dict.fromkeys(one.sandbox for one in found if _moves(one)))
    told = (said(_MOVED.format(names=" and ".join(moved))),) if moved else ()
    return (*told, Table(_BEHIND, heads, rows)) if rows else ()


def _moves(one: Predecessor) -> bool:
    """Tell whether the start before certainly changes a start by half or more."""
    found = one.effect
    if found is None or found.low is None or found.high is None:
        return False
    return found.low > _MUCH or found.high < 1 / _MUCH


def _levels(data: RunData) -> tuple[Table, ...]:
    """Show how starts vary within a block and between blocks, where they are repeated."""
    rows = [
        (
            row.sandbox,
            str(row.repetitions),
            units.percent(row.within),
            units.percent(row.between),
        )
        for row in data.of(metrics.STARTUP)
        if row.metric == metrics.MAIN.metric
        if row.within is not None and row.between is not None
    ]
    heads = columns("Sandbox", "Repeated in a block#", "Within a block#", "Between#")
    return (Table(_LEVELS, heads, tuple(rows)),) if rows else ()


def _ladder(data: RunData) -> tuple[Picture, ...]:
    steps = {name: found for name in data.names if (found := _steps(data, name))}
    if not steps:
        return ()
    told = "; ".join(
        f"{name} {units.quantity(found[-1][1], Unit.SECONDS)}" for name, found in steps.items()
    )
    what = "Stacked bars of the median time from the request to the workload's first instruction. "
    return (
        Picture(
            "startup-ladder",
            "Start, step by step",
            what + told,
            lambda: plots.startup.ladder(steps, Series(data.info.sandboxes)),
        ),
    )


def _spread(data: RunData) -> tuple[Picture, ...]:
    series = Series(data.info.sandboxes)
    found = {name: _starts(data, name) for name in series.names}
    found = {name: values for name, values in found.items() if len(values) and values[0] > 0}
    if not found:
        return ()
    told = "; ".join(
        f"{name} from {units.quantity(float(values[0]), Unit.SECONDS)} to "
        f"{units.quantity(float(values[-1]), Unit.SECONDS)}"
        for name, values in found.items()
    )
    what = (
        "Cumulative share of starts that have reached the workload's first instruction, by time "
        "on a logarithmic axis. "
    )
    return (
        Picture(
            "startup-spread",
            "Start, every sample",
            what + series.left_out + told,
            lambda: plots.startup.spread(found, series),
        ),
    )


def _starts(data: RunData, sandbox: str) -> NDArray[np.float64]:
    rows = every(select(data.table, sandbox, metrics.STARTUP, "startup_main_s"))
    return np.sort(rows["value"].to_numpy())


def _steps(data: RunData, sandbox: str) -> list[tuple[str, float]]:
    """Return the boundaries with their median times in seconds, in the order they are passed."""
    rows = data.of(metrics.STARTUP)
    medians = {row.metric: row.median.estimate for row in rows if row.sandbox == sandbox}
    found: list[tuple[str, float]] = []
    for step in metrics.BOUNDARIES:
        median = medians.get(f"startup_{step}_s")
        if median is not None:
            found.append((step, max(median, found[-1][1] if found else 0.0)))
    return found


SECTION = Section(
    name="start",
    title="Start",
    place=20,
    build=build,
    records={
        "predecessors": tuple[Predecessor, ...],
        "start_spreads": tuple[StartSpread, ...],
    },
    workloads=(metrics.STARTUP,),
)
