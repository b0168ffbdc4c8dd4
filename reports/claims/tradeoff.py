"""Rank sandboxes by what they cost and what they expose: the front that no other beats."""

from typing import NamedTuple

from benchmarks.results import metrics
from benchmarks.results.records import Status, Unit
from benchmarks.stats import estimators
from reports.claims.exposure import confirmed, is_exposed
from reports.model.declaration import declared
from reports.model.frame import paired, select
from reports.model.records import Estimate
from reports.model.rundata import RunData

THROUGHPUT = "throughput_per_s"
COSTS = {
    "start": (metrics.STARTUP, metrics.MAIN.metric, Unit.SECONDS),
    "memory (PSS)": (metrics.MEMORY, "pss_bytes", Unit.BYTES),
}
LOST = "throughput lost"


class Point(NamedTuple):
    """A sandbox's cost beside its leaks.

    Attributes:
        sandbox: Its name.
        cost: Median with its interval, in the unit of the cost.
        low: Confirmed leaks.
        high: The same with what nothing confirms and what has no result.
        admissible: False where emulation makes the cost meaningless for ranking.
        workloads: What a throughput is lost over; others are not ranked with it.
    """

    sandbox: str
    cost: Estimate
    low: int
    high: int
    admissible: bool
    workloads: frozenset[str] = frozenset()


def exposures(data: RunData) -> dict[str, tuple[int, int]]:
    """Return of each sandbox with a result the fewest and the most leaks it may have."""
    claim = next(one for one in declared().claim if one.id == "isolation-weaker")
    rows = [row for row in data.words if row.workload == metrics.LEAKS]
    tried = {row.metric for row in rows}
    found = {}
    for name in data.names:
        read = [row for row in rows if row.sandbox == name and row.status is Status.OK]
        leaking = [row for row in read if is_exposed(row.words)]
        if read:
            sure = sum(confirmed(claim, data, row) for row in leaking)
            found[name] = (sure, len(leaking) + len(tried) - len(read))
    return found


def points(data: RunData, cost: str) -> tuple[Point, ...]:
    """Return a point for each sandbox that has both the cost and the exposure, none failed."""
    exposed = exposures(data)
    if cost == LOST:
        return tuple(
            point for name in data.names if name in exposed for point in _lost(data, name, exposed)
        )
    workload, metric, _ = COSTS[cost]
    return tuple(
        Point(row.sandbox, row.median, *exposed[row.sandbox], row.admissible)
        for row in data.of(workload)
        if row.metric == metric and row.sandbox in exposed and not row.failed
        if (row.median.estimate or 0) > 0
    )


def _lost(data: RunData, name: str, exposed: dict[str, tuple[int, int]]) -> list[Point]:
    """Return the loss in the workload that loses most, as a fraction of native's throughput."""
    rows = [r for r in data.numbers if r.metric == THROUGHPUT and r.sandbox == name]
    if not rows or any(r.failed or r.median.estimate is None for r in rows):
        return []
    workloads = frozenset(row.workload for row in rows)
    ratios = [row.to_native for row in rows if row.to_native and row.to_native.estimate is not None]
    if len(ratios) < len(rows):
        return []
    worst = min(ratios, key=lambda ratio: ratio.estimate or 0)
    lows = [1 - one.high for one in ratios if one.high is not None]
    highs = [1 - one.low for one in ratios if one.low is not None]
    whole = len(lows) == len(highs) == len(ratios)
    lost = Estimate(
        low=max(lows) if whole else None,
        estimate=1 - (worst.estimate or 0),
        high=max(highs) if whole else None,
        n=worst.n,
        confidence=worst.confidence,
        unsure=any(one.unsure for one in ratios),
    )
    return [Point(name, lost, *exposed[name], all(r.admissible for r in rows), workloads)]


def front(data: RunData, cost: str, found: tuple[Point, ...]) -> frozenset[str]:
    """Return those that no other beats; none of what cannot be ranked."""
    ranked = [p for p in found if p.admissible and p.cost.low is not None]
    return frozenset(
        one.sandbox for one in ranked if not any(_beats(data, cost, o, one) for o in ranked)
    )


def _beats(data: RunData, cost: str, one: Point, other: Point) -> bool:
    if one.sandbox == other.sandbox or one.workloads != other.workloads:
        return False
    fewer = one.high < other.low
    alike = one.low == one.high == other.low == other.high
    if not (fewer or alike):
        return False
    if cost == LOST:
        return one.cost.high is not None and one.cost.high < (other.cost.low or 0.0)
    return _cheaper(data, cost, one, other)


def _cheaper(data: RunData, cost: str, one: Point, other: Point) -> bool:
    """Whether the intervals do not overlap, or that of the paired ratio lies below 1."""
    if one.cost.high is not None and other.cost.low is not None and one.cost.high < other.cost.low:
        return True
    workload, metric, _ = COSTS[cost]
    sides = (select(data.table, point.sandbox, workload, metric) for point in (one, other))
    pairs = paired(*sides)
    effect = estimators.ratio(pairs) if pairs else None
    return effect is not None and effect.high is not None and effect.high < 1
