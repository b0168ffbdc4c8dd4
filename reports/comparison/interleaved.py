"""Compare two versions that were measured in turns: is the new one worse?

Each round holds a run of the base and a run of the new version, taken one after the other in the
order of a coin. One value of each, the median over its blocks, makes the round's ratio.
"""

from collections.abc import Sequence
from statistics import median
from typing import NamedTuple

import msgspec
import pandas as pd

from benchmarks.results.records import Direction, MetricInfo
from benchmarks.results.runfolder import Run
from benchmarks.stats import estimators, rounds
from reports.claims.worst import failed
from reports.comparison.changes import Change, Comparison, Effect
from reports.comparison.compare import headline
from reports.comparison.sensitivity import blindness, detectable
from reports.model.frame import by_block, grouped, tidy
from reports.model.records import Estimate
from reports.renderers import units

_FAR = 10.0
"""Ratio of a round in which one version failed and the other did not: worse than any other."""


class _Key(NamedTuple):
    workload: str
    metric: str
    parameters: str


class _Turn(NamedTuple):
    """What one turn gave: a median for each metric, and what failed."""

    medians: dict[_Key, float]
    failed: set[_Key]


def compare(
    base: Sequence[Run], new: Sequence[Run], names: tuple[str, str], threshold: float
) -> Comparison:
    """Judge the new version against the base, round by round.

    Args:
        base: The base's run of each round.
        new: The new version's run of each round, in the same order.
        names: What the versions are called.
        threshold: The change that is to be found, as a fraction.

    Raises:
        EmptyRunError: A run holds no finished measurement.
    """
    turns = [[_turn(run) for run in runs] for runs in (base, new)]
    told = {(one.workload, one.metric): one for run in (*base, *new) for one in run.info.metrics}
    keys = dict.fromkeys(key for side in turns for turn in side for key in turn.medians)
    changes = [
        found
        for key in keys
        if (info := told.get((key.workload, key.metric))) is not None
        and info.direction is not Direction.NEITHER
        and (found := _change(key, info, turns, names)) is not None
    ]
    if not changes:
        reason = "the versions have no headline in common that gave a value"
        return Comparison.refused(*names, threshold, reason)
    judged = _decided(changes, threshold)
    blind, entirely = blindness(judged, threshold, paired=True)
    count = {effect: sum(one.effect is effect for one in judged) for effect in Effect}
    return Comparison(
        base=names[0],
        new=names[1],
        threshold=threshold,
        comparable=True,
        reason=f"{count[Effect.WORSE]} worse, {count[Effect.BETTER]} better, "
        f"{count[Effect.EQUAL]} equal, {count[Effect.INCONCLUSIVE]} inconclusive "
        f"in {len(base)} rounds",
        changes=tuple(judged),
        blind=blind,
        entirely_blind=entirely,
    )


def _turn(run: Run) -> _Turn:
    """Return the headlines of a turn: its sandbox is the only one it has."""
    table = tidy(run)
    box = run.info.sandboxes[0]
    medians, bad = {}, set()
    for parts, rows in grouped(table, *_Key._fields).items():
        key = _Key(*parts)
        if key.metric != headline(run.info.metrics, key.workload, box):
            continue
        values = _values(rows)
        if values:
            medians[key] = median(values)
        if len(failed(rows)) > len(values):
            bad.add(key)
    return _Turn(medians, bad)


def _values(rows: pd.DataFrame) -> list[float]:
    return [value for value in by_block(rows).tolist() if value > 0]


def _change(
    key: _Key, info: MetricInfo, turns: list[list[_Turn]], names: tuple[str, str]
) -> tuple[Change, list[float]] | None:
    """Return one metric with the ratio of each round; None where no round has any."""
    ratios: list[float] = []
    medians: tuple[list[float], list[float]] = ([], [])
    more = _FAR if info.direction is Direction.LOWER else 1 / _FAR
    for one, two in zip(*turns, strict=True):
        before, after = one.medians.get(key), two.medians.get(key)
        for kept, value in zip(medians, (before, after), strict=True):
            kept.extend([value] if value is not None else [])
        lost = key in one.failed, key in two.failed
        if lost == (False, True):
            ratios.append(more)
        elif lost == (True, False):
            ratios.append(1 / more)
        elif before is not None and after is not None and lost == (False, False):
            ratios.append(after / before)
    if not ratios:
        return None
    change = Change(
        sandbox=" / ".join(reversed(names)),
        workload=key.workload,
        metric=key.metric,
        title=info.title,
        unit=info.unit,
        direction=info.direction,
        parameters=msgspec.json.decode(key.parameters, type=dict[str, str]),
        base=Estimate.of(estimators.interval(medians[0])),
        new=Estimate.of(estimators.interval(medians[1])),
        effect=Effect.INCONCLUSIVE,
        ratio=Estimate.of(rounds.effect(ratios)),
        p=rounds.p_value(ratios),
    )
    return change, ratios


def _decided(changes: list[tuple[Change, list[float]]], threshold: float) -> list[Change]:
    """Correct the p-values over all metrics and decide each."""
    adjusted = estimators.holm([one.p or 0.0 for one, _ in changes])
    return [
        _judged(one, ratios, p, threshold, len(changes))
        for (one, ratios), p in zip(changes, adjusted, strict=True)
    ]


def _judged(change: Change, ratios: list[float], p: float, threshold: float, judged: int) -> Change:
    assert change.ratio is not None  # there is a round
    side = rounds.decide(ratios, p, threshold)
    least = detectable(change.ratio, judged)
    change = msgspec.structs.replace(change, p=p, detectable=least, reason=units.p_value(p))
    if side is None:
        reason = "the interval leaves both equal and changed open"
        return msgspec.structs.replace(change, reason=f"{reason}; {units.p_value(p)}")
    if side == 0:
        reason = f"within {units.percent(threshold)}"
        return msgspec.structs.replace(change, effect=Effect.EQUAL, reason=reason)
    worse = (side > 0) == (change.direction is Direction.LOWER)
    return msgspec.structs.replace(change, effect=Effect.WORSE if worse else Effect.BETTER)
