"""Judge how fast containers start."""

from benchmarks.results import metrics
from benchmarks.results.records import SandboxInfo, Unit
from benchmarks.stats import estimators
from reports.claims.contrast import Side, contrast
from reports.claims.difference import compared, untestable
from reports.claims.registry import judge, verdict
from reports.model.declaration import Claim
from reports.model.records import Evidence, Judgement, Verdict
from reports.model.rundata import RunData
from reports.renderers import units


@judge("starts-fast", tests=True)
def starts_fast(claim: Claim, data: RunData) -> Judgement:
    """A container starts within the limit, and a VM takes longer."""
    container, vm = data.sandbox("container"), data.sandbox("vm")
    if container is None:
        return untestable(claim, data, "container")
    start = _start(container, "main", "container's whole start")
    own, own_p, evidence = _within_limit(claim, data, start)
    if own is not Verdict.SUPPORTED:
        reason = f"container start: {evidence.result}"
        return verdict(claim, own, "limit on the median", reason, evidence, p=own_p)
    if vm is None:
        return untestable(claim, data, "vm", evidence)
    whole = contrast(data, _start(vm, "main", "VM's whole start"), start, claim.factor or 0)
    ready = contrast(data, _start(vm, "ready", "VMM ready"), start, claim.factor or 0)
    return compared(claim, data, whole, ready, evidence, p=own_p, emulated=not vm.admissible_cpu)


def _within_limit(
    claim: Claim, data: RunData, start: Side
) -> tuple[Verdict, float | None, Evidence]:
    """Judge the absolute part of ``starts-fast``: the container's own median against the limit."""
    limit = claim.limit_s or 0.0
    named = f"{start.name}, limit {units.quantity(limit, Unit.SECONDS)}"
    if trouble := start.trouble(data):
        return Verdict.INCONCLUSIVE, None, Evidence(observation=named, result=trouble)
    median = start.median(data)
    shown = f"{units.estimate(median, start.unit)} over {median.n} blocks{start.failures(data)}"
    evidence = Evidence(observation=named, result=shown)
    ranked = start.ranked(data)
    found = estimators.interval(ranked)
    against = [(value, limit) for value in ranked]
    if found.high is not None and found.high < limit:
        return Verdict.SUPPORTED, estimators.p_below(against, 1), evidence
    if found.low is not None and found.low >= limit:
        return Verdict.REFUTED, estimators.p_above(against, 1), evidence
    return Verdict.INCONCLUSIVE, None, evidence


def _start(sandbox: SandboxInfo, boundary: str, name: str) -> Side:
    return Side(sandbox, metrics.STARTUP, f"startup_{boundary}_s", Unit.SECONDS, name)
