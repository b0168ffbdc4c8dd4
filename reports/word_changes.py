"""Probes and controls whose word differs between two runs: no sample, so nothing to test."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.results import metrics
from benchmarks.results.records import Status
from reports.changes import Effect, WordChange
from reports.claims import declared

if TYPE_CHECKING:
    from collections.abc import Iterable

    from reports.model import WordRow

_OPEN = "open"


def word_changes(base: Iterable[WordRow], new: Iterable[WordRow]) -> tuple[WordChange, ...]:
    """Return the probes and controls that changed; a new leak or an opened control is worse."""
    before = {(row.sandbox, row.workload, row.metric): row for row in base}
    found = []
    for row in new:
        old = before.get((row.sandbox, row.workload, row.metric))
        if old is None or row.workload not in {metrics.LEAKS, metrics.CONTROLS}:
            continue
        if old.status is not Status.OK or row.status is not Status.OK or old.words == row.words:
            continue
        was, is_now = (_exposed(one) for one in (old, row))
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
            ),
        )
    return tuple(found)


def _exposed(row: WordRow) -> bool:
    return not (declared().rules.leak_words | {_OPEN}).isdisjoint(row.words)
