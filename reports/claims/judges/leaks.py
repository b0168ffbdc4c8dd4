"""Judge whether a container sees more of its host than a virtual machine does.

A single reading can be wrong: numbers that move by themselves may lie between two others by chance,
and a value may be equal by custom. So only leaks that are *confirmed* decide, by the rule that
``claims.toml`` declares; the others are shown.
"""

from benchmarks.results import metrics
from benchmarks.results.records import Status
from reports.claims.exposure import confirmed
from reports.claims.registry import judge, verdict
from reports.claims.spoken import leaks, of
from reports.model.declaration import Claim, declared
from reports.model.records import Evidence, Judgement, Verdict
from reports.model.rundata import RunData

_COUNTED = "confirmed leaks on both sides; a leak that is not confirmed decides nothing"


@judge("isolation-weaker")
def isolation_weaker(claim: Claim, data: RunData) -> Judgement:
    """A confirmed leak of the container is none of the VM's, and none of the VM's is its alone."""
    if trouble := data.missing(["container", "vm"]):
        return verdict(claim, Verdict.NOT_TESTABLE, _COUNTED, trouble)
    boxes = {"container": data.sandbox("container"), "VM": data.sandbox("vm")}
    rows = {
        side: {row.metric: row for row in of(data, box, metrics.LEAKS)}
        for side, box in boxes.items()
    }
    tried = rows["container"].keys() | rows["VM"].keys()
    both = {
        probe
        for probe in tried
        if all(probe in side and side[probe].status is Status.OK for side in rows.values())
    }
    if not both:
        reason = "no probe was read in both the container and the VM"
        return verdict(claim, Verdict.NOT_TESTABLE, _COUNTED, reason)
    seen = {
        side: {probe for probe, row in found.items() if probe in both and leaks(row)}
        for side, found in rows.items()
    }
    sure = {
        side: {probe for probe in seen[side] if confirmed(claim, data, found[probe])}
        for side, found in rows.items()
    }
    evidence = []
    for side in rows:
        evidence += [
            _listed(f"confirmed leaks in the {side}", sure[side], len(both)),
            _listed(f"leaks in the {side} that nothing confirms", seen[side] - sure[side]),
        ]
    lost = tried - both
    if lost:
        evidence.append(_listed("probes without a result on one side", lost, len(tried)))
    kind, reason = _weaker(seen, sure, len(both))
    if len(lost) > declared().rules.most_failed * len(tried):
        kind, reason = Verdict.INCONCLUSIVE, f"{len(lost)} of {len(tried)} probes have no result"
    return verdict(claim, kind, _COUNTED, reason, *evidence)


def _weaker(
    seen: dict[str, set[str]], sure: dict[str, set[str]], tried: int
) -> tuple[Verdict, str]:
    more, less = sure["container"] - seen["VM"], sure["VM"] - seen["container"]
    counts = (
        f"{len(sure['container'])} of {tried} probes are confirmed leaks in the container, "
        f"{len(sure['VM'])} in the VM"
    )
    if more and less:
        return Verdict.INCONCLUSIVE, f"{counts}, and each leaks what the other does not"
    if more:
        return Verdict.SUPPORTED, counts
    if less:
        return Verdict.REFUTED, counts
    if seen["container"] == seen["VM"]:
        return Verdict.EQUIVALENT, f"{counts}: these probes tell them not apart"
    return Verdict.INCONCLUSIVE, f"{counts}; they differ in leaks that nothing confirms"


def _listed(what: str, found: set[str], of_all: int | None = None) -> Evidence:
    count = f"{len(found)} of {of_all}" if of_all is not None else str(len(found))
    names = f": {', '.join(sorted(found))}" if found else ""
    decides = what.startswith("confirmed")
    return Evidence(observation=what, result=count + names, decides=decides)
