"""Compare probes and controls whose word differs between two runs: no sample, nothing to test."""

from collections.abc import Iterable

from benchmarks.results.records import Status
from reports.claims.exposure import LOOKED_AT, is_exposed
from reports.comparison.changes import Effect, WordChange
from reports.model.records import WordRow


def word_changes(base: Iterable[WordRow], new: Iterable[WordRow]) -> tuple[WordChange, ...]:
    """Return the probes and controls that changed; a new leak or an opened control is worse."""
    before = {(row.sandbox, row.workload, row.metric): row for row in base}
    found = []
    for row in new:
        old = before.get((row.sandbox, row.workload, row.metric))
        if old is None or row.workload not in LOOKED_AT:
            continue
        if old.status is not Status.OK or row.status is not Status.OK or old.words == row.words:
            continue
        was, is_now = (is_exposed(one.words) for one in (old, row))
        effect = Effect.CONTEXT
        if was != is_now:
            effect = Effect.WORSE if is_now else Effect.BETTER
        found.append(
            WordChange(
                sandbox=row.sandbox,
                workload=row.workload,
                metric=row.metric,
                title=row.title,
                base=", ".join(old.words),
                new=", ".join(row.words),
                effect=effect,
            )
        )
    return tuple(found)
