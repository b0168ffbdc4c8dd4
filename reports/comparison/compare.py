"""Compare two runs of the same host: is the new one worse?

Four things must agree before a metric is called worse or better: the permutation test's p-value
after Holm's correction over all judged metrics, an effect above the threshold, an interval wholly
on the same side, and the same direction for every parameter. Only one headline metric of each
sandbox and workload is judged: with a handful of blocks, correcting for every number there is would
leave no power to find anything. The others are shown as context.

Two single runs differ by more than chance within them (memory layout, cache state, the hour of the
day); the threshold stands for that, and an A/A comparison on the host shows whether it is enough.
"""

from typing import NamedTuple

import msgspec
import pandas as pd

from benchmarks.host import fingerprint
from benchmarks.results import metrics
from benchmarks.results.records import Direction, MetricInfo, RunInfo, Status, Unit, same_image
from benchmarks.results.runfolder import Run
from benchmarks.stats import estimators
from reports.comparison.changes import Change, Comparison, Effect
from reports.comparison.word_changes import word_changes
from reports.model import counted
from reports.model.declaration import declared
from reports.model.frame import grouped, measured, parameters_key, tidy
from reports.model.records import Estimate, NumberRow
from reports.renderers import units

_HEADLINES = {
    metrics.STARTUP: "startup_main_s",
    metrics.MEMORY: "pss_bytes",
    metrics.COLD: "cold_main_s",
}


class _Key(NamedTuple):
    sandbox: str
    workload: str
    metric: str
    parameters: str


def compare(base: Run, new: Run, threshold: float) -> Comparison:
    """Judge ``new`` against ``base``.

    Args:
        base: The run to measure against.
        new: The run to judge.
        threshold: Smallest relative change that counts, as a fraction, for example 0.05.

    Returns:
        The comparison; ``comparable`` is False where the hosts or the resources differ, and then
        nothing is judged.

    Raises:
        EmptyRunError: One of the runs holds no finished measurement.
        ValueError: The threshold is not above 0.
    """
    if threshold <= 0:
        raise ValueError("the threshold must be a fraction above 0, for example 0.05")
    tables = [tidy(run) for run in (base, new)]
    refusal = _refusal(base.info, new.info)
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
    changes = [
        _change(
            key, (known[0][key], known[1][key]), (samples[0][key], samples[1][key]), base, threshold
        )
        for key in known[0]
        if key in known[1] and known[0][key].direction is not Direction.NEITHER
    ]
    words = word_changes(*(counted.words(*one) for one in runs))
    lost = _lost(base, new)
    if not changes and not words and not lost:
        reason = "the runs have no sandbox and metric in common"
        return Comparison.refused(base.info.run, new.info.run, threshold, reason)
    judged = _corrected(changes, threshold)
    return Comparison(
        base=base.info.run,
        new=new.info.run,
        threshold=threshold,
        comparable=True,
        reason=_summary(judged, len(lost) + sum(one.effect is Effect.WORSE for one in words)),
        changes=tuple(judged),
        words=words,
        lost=lost,
        notes=tuple(_notes(base.info, new.info)),
    )


def _refusal(base: RunInfo, new: RunInfo) -> str | None:
    differences = fingerprint.same_host(base.host, new.host)
    if differences:
        return f"the runs come from different hosts or settings: {'; '.join(differences)}"
    left, right = base.resources, new.resources
    if (left.cpus, left.memory_bytes) != (right.cpus, right.memory_bytes):
        return (
            f"the sandboxes had different resources: {left.cpus} CPUs and "
            f"{units.quantity(left.memory_bytes, Unit.BYTES)} against {right.cpus} CPUs and "
            f"{units.quantity(right.memory_bytes, Unit.BYTES)}"
        )
    boxes = {box.name: box.accelerator for box in base.sandboxes}
    changed = [
        box.name for box in new.sandboxes if boxes.get(box.name, box.accelerator) != box.accelerator
    ]
    if changed:
        return f"{', '.join(changed)} ran with another accelerator"
    return None


def _lost(base: Run, new: Run) -> tuple[tuple[str, str], ...]:
    """Return what was measured before and was asked for in vain this time."""
    before, after = (
        {(one.sandbox, one.workload) for one in run.samples if one.status is Status.OK}
        for run in (base, new)
    )
    sandboxes = {box.name for box in new.info.sandboxes} | set(new.info.absent)
    workloads = {info.workload for info in new.info.metrics}
    return tuple(
        sorted(
            (sandbox, workload)
            for sandbox, workload in before - after
            if sandbox in sandboxes and workload in workloads
        )
    )


def _notes(base: RunInfo, new: RunInfo) -> list[str]:
    found = []
    present = {box.name for box in new.sandboxes}
    gone = [box.name for box in base.sandboxes if box.name not in present]
    found += [f"{name} is in the base run only, so nothing of it was judged." for name in gone]
    if not same_image(base.image, new.image):
        found.append("The runs used different images; a change may come from the image.")
    if base.tare_version != new.tare_version:
        found.append(f"Measured by tare {base.tare_version} and by tare {new.tare_version}.")
    tools = base.tools.keys() & new.tools.keys()
    found += [
        f"{tool}: {base.tools[tool]} against {new.tools[tool]}."
        for tool in sorted(tools)
        if None not in {base.tools[tool], new.tools[tool]} and base.tools[tool] != new.tools[tool]
    ]
    return found


def _change(
    key: _Key,
    rows: tuple[NumberRow, NumberRow],
    samples: tuple[pd.DataFrame, pd.DataFrame],
    base: Run,
    threshold: float,
) -> Change:
    old, new = rows
    judged = key.metric == _headline(base.info.metrics, key.workload)
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
    before, after = (measured(side)["value"].tolist() for side in samples)
    if not judged:
        return msgspec.structs.replace(change, ratio=_plain_ratio(old.median, new.median))
    ratio = estimators.unpaired_ratio(before, after, seed=base.info.seed)
    change = msgspec.structs.replace(change, ratio=Estimate.of(ratio))
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
        p=estimators.shift(before, after, seed=base.info.seed),
        effect=Effect.EQUAL if equal else Effect.INCONCLUSIVE,
    )


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
        change = msgspec.structs.replace(changes[place], p=p)
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


def _headline(told: tuple[MetricInfo, ...], workload: str) -> str | None:
    """Return the metric that is judged: the first of a workload that has a better direction."""
    if workload in _HEADLINES:
        return _HEADLINES[workload]
    known = (one for one in told if one.workload == workload)
    return next((one.metric for one in known if one.direction is not Direction.NEITHER), None)


def _key(row: NumberRow) -> _Key:
    return _Key(row.sandbox, row.workload, row.metric, parameters_key(row.parameters))
