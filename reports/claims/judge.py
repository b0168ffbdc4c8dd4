"""Judge every declared claim of a run, then correct by Holm over all that tested."""

import importlib
import pkgutil

import msgspec

from benchmarks.stats import estimators
from reports.claims import judges, outlook
from reports.claims.registry import JUDGES, Judge
from reports.model.declaration import declared
from reports.model.records import Evidence, Judgement, Verdict
from reports.model.rundata import RunData
from reports.renderers import units


def found_judges() -> dict[str, Judge]:
    """Return every judge that a module of ``judges`` registers, by name."""
    for module in pkgutil.iter_modules(judges.__path__, f"{judges.__name__}."):
        importlib.import_module(module.name)
    return JUDGES


def judged(data: RunData) -> tuple[Judgement, ...]:
    """Return a judgement of every declared claim, in the declared order.

    Where samples were flagged, each claim is judged without them as well, and says whether its
    verdict stands. One that would change sides rests on what disturbed the host: it is undecided.
    """
    found = _judged(data)
    flagged = data.flagged
    if not flagged:
        return found
    if flagged == len(data.table):
        said = f"all {flagged} samples were flagged, so nothing is left to judge it by"
        return tuple(_with(one, "without the flagged samples", said) for one in found)
    without = _judged(data.without_flagged())
    return tuple(_laid(*pair, flagged) for pair in zip(found, without, strict=True))


_SIDES = {
    Verdict.SUPPORTED: 1,
    Verdict.SUPPORTED_BOUND: 1,
    Verdict.EQUIVALENT: 0,
    Verdict.REFUTED: -1,
}


def _laid(found: Judgement, without: Judgement, flagged: int) -> Judgement:
    """Lay a judgement beside the one without flagged samples."""
    what = f"without the {flagged} samples taken while something disturbed the host"
    if found.verdict is without.verdict:
        return _with(found, what, "the verdict stands")
    said = f"{without.verdict.value}: {without.reason.removesuffix('.')}"
    sides = [_SIDES.get(one.verdict) for one in (found, without)]
    if None in sides or sides[0] == sides[1]:
        return _with(found, what, said)
    reason = f"{found.reason} But it is {without.verdict.value} {what}: measure on a quieter host."
    changed = msgspec.structs.replace(found, verdict=Verdict.INCONCLUSIVE, reason=reason)
    return _with(changed, what, said)


def _with(judgement: Judgement, observation: str, result: str) -> Judgement:
    more = Evidence(observation=observation, result=result, decides=False)
    return msgspec.structs.replace(judgement, evidence=(*judgement.evidence, more))


def _judged(data: RunData) -> tuple[Judgement, ...]:
    """Judge every claim by all samples of a run.

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
            found[place] = _corrected(data, found[place], p, own, len(tested))
    return tuple(found)


def _corrected(  # both p-values, and what they were corrected for
    data: RunData, judgement: Judgement, p: float, own: float, family: int
) -> Judgement:
    if p <= estimators.ALPHA:
        return msgspec.structs.replace(judgement, p=p)
    more = outlook.more_evidence(data, own, data.blocks, family)
    reason = (
        f"{judgement.reason} But {units.p_value(p)} after correcting for {family} claims. {more}."
    )
    return msgspec.structs.replace(judgement, p=p, verdict=Verdict.INCONCLUSIVE, reason=reason)
