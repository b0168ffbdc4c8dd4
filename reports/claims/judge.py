"""Judge every declared claim of a run, then correct by Holm over all that tested."""

import importlib
import pkgutil

import msgspec

from benchmarks.stats import estimators
from reports.claims import judges
from reports.claims.registry import JUDGES, Judge
from reports.model.declaration import declared
from reports.model.records import Judgement, Verdict
from reports.model.rundata import RunData
from reports.renderers import units


def found_judges() -> dict[str, Judge]:
    """Return every judge that a module of ``judges`` registers, by name."""
    for module in pkgutil.iter_modules(judges.__path__, f"{judges.__name__}."):
        importlib.import_module(module.name)
    return JUDGES


def judged(data: RunData) -> tuple[Judgement, ...]:
    """Return a judgement of every declared claim, in the declared order.

    Claims that tested statistically share one family-wise level of 5 %: a verdict whose corrected
    p-value does not reach it becomes inconclusive, whatever its interval says.
    """
    known = found_judges()
    claims = declared().claim
    rules = [known[claim.judge or claim.id] for claim in claims]
    found = [rule(claim, data) for claim, (rule, _) in zip(claims, rules, strict=True)]
    # An undecided claim was tested as well: leaving it out would make the correction too small.
    tested = [
        place
        for place, judgement in enumerate(found)
        if rules[place].tests and judgement.verdict is not Verdict.NOT_TESTABLE
    ]
    raw = [found[place].p for place in tested]
    adjusted = estimators.holm([1.0 if p is None else p for p in raw])
    for place, p, own in zip(tested, adjusted, raw, strict=True):
        if own is not None:
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
