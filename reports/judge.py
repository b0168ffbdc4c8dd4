"""Judges every claim of a run: one rule a claim, then Holm's correction over all that tested."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from benchmarks.stats import estimators
from reports import judge_ablation, judge_numbers, judge_words, units
from reports.claims import declared
from reports.model import Verdict

if TYPE_CHECKING:
    from collections.abc import Callable

    from reports.case import Case
    from reports.claims import Claim
    from reports.model import Judgement

_RULES: dict[str, Callable[[Claim, Case], Judgement]] = {
    "starts-fast": judge_numbers.starts_fast,
    "less-memory": judge_numbers.less_memory,
    "no-extra-layer": judge_numbers.no_extra_layer,
    "shared-kernel": judge_words.shared_kernel,
    "isolation-weaker": judge_words.isolation_weaker,
    "isolation-strong-enough": judge_words.isolation_strong_enough,
    "same-environment": judge_words.same_environment,
    "technologies": judge_ablation.technologies,
}

_TESTED = frozenset({"starts-fast", "less-memory", "no-extra-layer"})
"""Claims decided by statistical tests; the family of the correction."""


def judge(case: Case) -> tuple[Judgement, ...]:
    """Return a judgement of every declared claim, in the declared order.

    Claims that tested statistically share one family-wise level of 5 %: a verdict whose corrected
    p-value does not reach it becomes inconclusive, whatever its interval says.
    """
    found = [_RULES[claim.id](claim, case) for claim in declared().claim]
    # An undecided claim was tested as well: leaving it out would make the correction too small.
    tested = [
        place
        for place, judgement in enumerate(found)
        if judgement.id in _TESTED and judgement.verdict is not Verdict.NOT_TESTABLE
    ]
    raw = [found[place].p for place in tested]
    adjusted = estimators.holm([1.0 if p is None else p for p in raw])
    for place, p, known in zip(tested, adjusted, raw, strict=True):
        if known is not None:
            found[place] = _corrected(found[place], p, len(tested))
    return tuple(found)


def _corrected(judgement: Judgement, p: float, family: int) -> Judgement:
    if p <= estimators.ALPHA:
        return msgspec.structs.replace(judgement, p=p)
    reason = (
        f"{judgement.reason} But {units.p_value(p)} after correcting for {family} claims: more "
        "blocks are needed."
    )
    return msgspec.structs.replace(judgement, p=p, verdict=Verdict.INCONCLUSIVE, reason=reason)
