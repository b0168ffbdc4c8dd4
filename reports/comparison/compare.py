"""Compare two runs of one class of host: is the new one worse?

Durations and rates are compared as their ratio to native in the same block, where native was
measured: what the host does to both is then in neither run (the raw ratio stands beside). Four
things must agree before a metric is called worse or better: the exact test's p-value after Holm's
correction over all judged metrics, an effect above the threshold, an interval wholly on the same
side, and the same direction for every parameter. Only one headline metric of each sandbox and
workload is judged: with a handful of blocks, correcting for every number there is would leave no
power to find anything. The others are shown as context.

Two single runs differ by more than chance within them (memory layout, cache state, the hour of the
day); the threshold stands for that, and an A/A comparison on the host shows whether it is enough.
"""

from typing import NamedTuple

import msgspec
import pandas as pd

from benchmarks.results import metrics
from benchmarks.results.records import Direction, MetricInfo, SandboxInfo, Unit
from benchmarks.results.runfolder import Run
from benchmarks.stats import estimators
from reports.claims import worst
from reports.comparison import grounds, sensitivity
from reports.comparison.changes import Change, Comparison, Effect
from reports.comparison.word_changes import word_changes
from reports.model import counted
from reports.model.counted import NATIVE
from reports.model.declaration import declared
from reports.model.frame import by_block, grouped, parameters_key, tidy
from reports.model.records import Estimate, NumberRow
from reports.renderers import units

HEADLINES = {
    metrics.STARTUP: "startup_main_s",
    metrics.MEMORY: "pss_bytes",
    metrics.COLD: "cold_main_s",
}
_WHEN_EMULATED = {metrics.STARTUP: "startup_ready_s", metrics.COLD: "cold_ready_s"}
"""What is judged of a guest whose CPU is emulated: the part in which that has no hand."""
OF_THE_HOST = frozenset({Unit.SECONDS, Unit.PER_SECOND, Unit.SECONDS_PER_EVENT})
"""Units of what a host's state moves in all sandboxes alike."""


class _Key(NamedTuple):
    sandbox: str
    workload: str
    metric: str
    parameters: str


class _Side(NamedTuple):
    """One metric of one sandbox in one run.

    Attributes:
        row: Its count.
        samples: The samples of its run, by key.
        key: Its key.
    """

    row: NumberRow
    samples: dict[_Key, pd.DataFrame]
    key: _Key

    def raw(self) -> list[float]:
        """Return its values, one a block, failures as worse than all others."""
        return by_block(worst.ranked(self.samples[self.key], self.row.unit)).tolist()

    def over_native(self) -> list[float]:
        """Return its values over native's in the same block; none where native has none."""
        native = self.samples.get(self.key._replace(sandbox=NATIVE))
        if native is None:
            return []
        both = worst.side_by_side(self.samples[self.key], native, self.row.unit)
        both = both[both["below"] > 0]
        return (both["above"] / both["below"]).tolist()


def compare(
    base: Run, new: Run, threshold: float, *, images_equivalent: bool = False
) -> Comparison:
    """Judge ``new`` against ``base``.

    Args:
        base: The run to measure against.
        new: The run to judge.
        threshold: Smallest relative change that counts, as a fraction, for example 0.05.
        images_equivalent: Whether different images are stated to stand for each other.

    Returns:
        The comparison; ``comparable`` is False where the hosts' classes or what was measured
        differ, and then nothing is judged.

    Raises:
        EmptyRunError: One of the runs holds no finished measurement.
        ValueError: The threshold is not above 0.
    """
    if threshold <= 0:
        raise ValueError("the threshold must be a fraction above 0, for example 0.05")
    tables = [tidy(run) for run in (base, new)]
    refusal = grounds.refusal(base.info, new.info, images_equivalent=images_equivalent)
    if refusal:
        return Comparison.refused(base.info.run, new.info.run, threshold, refusal)
    samples = [
        {_Key(*key): rows for key, rows in grouped(table, *_Key._fields).items()}
        for table in tables
    ]
    runs = list(zip((base.info, new.info), tables, strict=True))
    known = [
        {_key(row): row for row in counted.numbers(*one, against_native=False)} for one in runs
    ]
    by_native = _by_native(base)
    changes = []
    for key in known[0]:
        if key not in known[1] or known[0][key].direction is Direction.NEITHER:
            continue
        sides = [_Side(known[place][key], samples[place], key) for place in (0, 1)]
        changes.append(_change(key, sides, base, threshold, by_native=by_native))
    words = word_changes(*(counted.words(*one) for one in runs))
    lost = grounds.lost(base, new)
    if not changes and not words and not lost:
        reason = "the runs have no sandbox and metric in common"
        return Comparison.refused(base.info.run, new.info.run, threshold, reason)
    judged = _corrected(changes, threshold)
    blind, entirely = sensitivity.blindness(judged, threshold)
    return Comparison(
        base=base.info.run,
        new=new.info.run,
        threshold=threshold,
        comparable=True,
        reason=_summary(judged, len(lost) + sum(one.effect is Effect.WORSE for one in words)),
        changes=tuple(judged),
        words=words,
        lost=lost,
        notes=(*_host_moved(judged, threshold), *grounds.notes(base.info, new.info)),
        blind=blind,
        entirely_blind=entirely,
    )


def _by_native(base: Run) -> bool:
    """Whether there is a native to compare others by, and others beside it."""
    names = {box.name for box in base.info.sandboxes}
    return NATIVE in names and len(names) > 1


def _change(
    key: _Key, sides: list[_Side], base: Run, threshold: float, *, by_native: bool
) -> Change:
    old, new = (side.row for side in sides)
    box = next((one for one in base.info.sandboxes if one.name == key.sandbox), None)
    judged = key.metric == headline(base.info.metrics, key.workload, box)
    if by_native and key.sandbox == NATIVE and old.unit in OF_THE_HOST:
        judged = False  # the yardstick of the others: what moves it is the host
    change = Change(
        sandbox=key.sandbox,
        workload=key.workload,
        metric=key.metric,
        title=old.title,
        unit=old.unit,
        direction=old.direction,
        parameters=old.parameters,
        base=old.median,
        new=new.median,
        effect=Effect.INCONCLUSIVE if judged else Effect.CONTEXT,
    )
    if not new.ok and new.failed and old.ok:
        reason = f"all {new.failed} attempts failed; the base had {old.ok} values"
        effect = Effect.WORSE if judged else Effect.CONTEXT
        return msgspec.structs.replace(change, effect=effect, reason=reason)
    if not judged:
        return msgspec.structs.replace(change, ratio=_plain_ratio(old.median, new.median))
    before, after = (side.raw() for side in sides)
    ratio = raw = estimators.unpaired_ratio(before, after, seed=base.info.seed)
    if by_native and old.unit in OF_THE_HOST:
        one, two = (side.over_native() for side in sides)
        normalised = estimators.unpaired_ratio(one, two, seed=base.info.seed)
        if normalised.known:
            before, after, ratio = one, two, normalised
    change = msgspec.structs.replace(
        change,
        ratio=Estimate.of(ratio),
        raw=Estimate.of(raw),
        by_native=ratio is not raw,
    )
    most = declared().rules.most_failed
    for name, row in (("base", old), ("new run", new)):
        if row.failed > most * (row.ok + row.failed):
            reason = f"{row.failed} of {row.ok + row.failed} attempts failed in the {name}"
            return msgspec.structs.replace(change, reason=reason)
    if not ratio.known:
        reason = f"{ratio.n} values on one side, an interval needs {estimators.fewest()}"
        if ratio.n >= estimators.fewest():
            reason = "a median is 0, and nothing is a ratio of it; look at the values"
        return msgspec.structs.replace(change, reason=reason)
    narrow = estimators.unpaired_ratio(before, after, 1 - 2 * estimators.ALPHA, seed=base.info.seed)
    assert narrow.low is not None  # known at 95 %, so at 90 % too
    assert narrow.high is not None
    equal = narrow.low > 1 / (1 + threshold) and narrow.high < 1 + threshold
    return msgspec.structs.replace(
        change,
        p=estimators.shift(before, after),
        effect=Effect.EQUAL if equal else Effect.INCONCLUSIVE,
    )


def _host_moved(changes: list[Change], threshold: float) -> list[str]:
    """Say where native itself is another: the host or its kernel, which others are measured by."""
    return [
        f"Native {one.workload} itself is {units.digits(one.ratio.estimate)}{units.TIMES} of the "
        "base: that is the host, and what is compared by native is free of it."
        for one in changes
        if one.sandbox == NATIVE
        and one.metric in {*HEADLINES.values(), "throughput_per_s"}
        and one.unit in OF_THE_HOST
        and one.effect is Effect.CONTEXT
        and one.ratio is not None
        and one.ratio.estimate
        and not 1 / (1 + threshold) <= one.ratio.estimate <= 1 + threshold
    ]


def _plain_ratio(base: Estimate, new: Estimate) -> Estimate | None:
    """Return new over base without an interval, for what is only context."""
    if not base.estimate or new.estimate is None:
        return None
    return Estimate(
        low=None,
        estimate=new.estimate / base.estimate,
        high=None,
        n=min(base.n, new.n),
        confidence=base.confidence,
    )


def _corrected(changes: list[Change], threshold: float) -> list[Change]:
    """Correct the p-values over all judged changes and decide each."""
    tested = [place for place, change in enumerate(changes) if change.p is not None]
    adjusted = estimators.holm([changes[place].p or 0.0 for place in tested])
    decided = list(changes)
    for place, p in zip(tested, adjusted, strict=True):
        change = changes[place]
        assert change.ratio is not None  # it was tested
        least = sensitivity.detectable(change.ratio, len(tested))
        change = msgspec.structs.replace(change, p=p, detectable=least)
        side = change.side(threshold)
        if change.effect is Effect.EQUAL:
            reason = f"within {units.percent(threshold)}"
        elif not side:
            reason = "the interval leaves both more and less than the threshold open"
        elif p > estimators.REGRESSION_ALPHA:
            reason = f"{units.p_value(p)} after correcting for {len(tested)} metrics"
        elif _contradicted(change, changes, threshold):
            reason = "its parameters disagree in direction"
        else:
            worse = (side > 0) == (change.direction is Direction.LOWER)
            change = msgspec.structs.replace(
                change, effect=Effect.WORSE if worse else Effect.BETTER
            )
            reason = units.p_value(p)
        decided[place] = msgspec.structs.replace(change, reason=reason)
    return decided


def _contradicted(change: Change, changes: list[Change], threshold: float) -> bool:
    same = (change.sandbox, change.workload, change.metric)
    sides = {
        other.side(threshold)
        for other in changes
        if (other.sandbox, other.workload, other.metric) == same
    }
    return {-1, 1} <= sides


def _summary(changes: list[Change], words: int) -> str:
    count = {effect: sum(one.effect is effect for one in changes) for effect in Effect}
    return (
        f"{count[Effect.WORSE] + words} worse, {count[Effect.BETTER]} better, "
        f"{count[Effect.EQUAL]} equal, {count[Effect.INCONCLUSIVE]} inconclusive"
    )


def headline(told: tuple[MetricInfo, ...], workload: str, box: SandboxInfo | None) -> str | None:
    """Return the metric that is judged: the first of a workload that has a better direction.

    Nothing of a workload inside a guest whose CPU is emulated.
    """
    if box is not None and not box.admissible_cpu:
        if workload in _WHEN_EMULATED:
            return _WHEN_EMULATED[workload]
        if workload not in HEADLINES:
            return None
    if workload in HEADLINES:
        return HEADLINES[workload]
    known = (one for one in told if one.workload == workload)
    return next((one.metric for one in known if one.direction is not Direction.NEITHER), None)


def _key(row: NumberRow) -> _Key:
    return _Key(row.sandbox, row.workload, row.metric, parameters_key(row.parameters))
