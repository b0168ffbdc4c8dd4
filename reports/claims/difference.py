"""Judge a claim that a VM costs more than a container.

Under software emulation a guest's own numbers rank against nothing. There the rule is the *bound*:
where an admissible part of the VM's cost alone exceeds the container's whole cost by the margin,
the claim is supported; where it does not, nothing follows. A bound never refutes.
"""

from reports.claims import outlook
from reports.claims.contrast import Contrast, Outcome
from reports.claims.registry import sentence, verdict
from reports.model.declaration import Claim
from reports.model.records import Evidence, Judgement, Verdict
from reports.model.rundata import RunData

VERDICTS = {
    Outcome.ABOVE: Verdict.SUPPORTED,
    Outcome.BELOW: Verdict.REFUTED,
    Outcome.WITHIN: Verdict.EQUIVALENT,
    Outcome.UNDECIDED: Verdict.INCONCLUSIVE,
    Outcome.UNUSABLE: Verdict.INCONCLUSIVE,
}
BOUND = "bound: the admissible part of the VM's cost against the container's whole cost"
RATIO = "middle of the blocks' own ratios, its 95 % interval against the margin"


def compared(
    claim: Claim,
    data: RunData,
    whole: Contrast,
    bound: Contrast,
    *beside: Evidence,
    emulated: bool,
    p: float | None = None,
) -> Judgement:
    """Judge a claim of difference by the whole contrast or, under emulation, by the bound."""
    if not emulated:
        evidence = (whole.evidence(), bound.evidence(decides=False), *beside)
        kind = VERDICTS[whole.outcome]
        combined = None if whole.p is None else max(whole.p, p or 0.0)
        said = whole.sentence
        if kind is Verdict.INCONCLUSIVE:
            said += f". {outlook.outlook(data, [whole], claim.factor or 0)}"
        return verdict(claim, kind, RATIO, said, *evidence, p=combined)
    evidence = (bound.evidence(), whole.evidence(decides=False), *beside)
    if bound.outcome is Outcome.ABOVE:
        combined = max(bound.p or 0.0, p or 0.0)
        return verdict(claim, Verdict.SUPPORTED_BOUND, BOUND, bound.sentence, *evidence, p=combined)
    why = f"what is admissible under emulation does not decide. {sentence(bound.sentence)}. "
    open_yet = bound.outcome in {Outcome.UNDECIDED, Outcome.UNUSABLE}
    why += (
        outlook.outlook(data, [bound], claim.factor or 0) if open_yet else outlook.no_accelerator()
    )
    return verdict(claim, Verdict.INCONCLUSIVE, BOUND, why, *evidence)


def untestable(claim: Claim, data: RunData, kind: str, *evidence: Evidence) -> Judgement:
    """Return what is said where a run lacks a kind of sandbox."""
    reason = data.missing([kind]) or ""
    return verdict(claim, Verdict.NOT_TESTABLE, "needs what the run lacks", reason, *evidence)
