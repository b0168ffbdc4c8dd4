"""Judge what rests on numbers: start, memory, throughput.

Under software emulation a guest's own numbers rank against nothing. There the rule is the *bound*:
where an admissible part of the VM's cost alone exceeds the container's whole cost by the margin,
the claim is supported; where it does not, nothing follows. A bound never refutes.
"""

from benchmarks.results import metrics
from benchmarks.results.records import SandboxInfo, Unit
from benchmarks.stats import estimators
from reports.claims.contrast import Contrast, Outcome, Side, contrast
from reports.claims.registry import judge, sentence, verdict
from reports.model.declaration import Claim
from reports.model.records import Evidence, Judgement, Verdict
from reports.model.rundata import RunData
from reports.renderers import units

_DIFFERENCE = {
    Outcome.ABOVE: Verdict.SUPPORTED,
    Outcome.BELOW: Verdict.REFUTED,
    Outcome.WITHIN: Verdict.EQUIVALENT,
    Outcome.UNDECIDED: Verdict.INCONCLUSIVE,
    Outcome.UNUSABLE: Verdict.INCONCLUSIVE,
}
BOUND = "bound: the admissible part of the VM's cost against the container's whole cost"
RATIO = "median of the blocks' own ratios, its 95 % interval against the margin"
EQUIVALENCE = "equivalence: two one-sided tests, 90 % interval inside the margin"


@judge("starts-fast", tests=True)
def starts_fast(claim: Claim, data: RunData) -> Judgement:
    """A container starts within the limit, and a VM takes longer."""
    container, vm = data.sandbox("container"), data.sandbox("vm")
    if container is None:
        return _untestable(claim, data, "container")
    start = _start(container, "main", "container's whole start")
    own, own_p, evidence = _within_limit(claim, data, start)
    if own is not Verdict.SUPPORTED:
        reason = f"container start: {evidence.result}"
        return verdict(claim, own, "limit on the median", reason, evidence, p=own_p)
    if vm is None:
        return _untestable(claim, data, "vm", evidence)
    whole = contrast(data, _start(vm, "main", "VM's whole start"), start, claim.factor or 0)
    ready = contrast(data, _start(vm, "ready", "VMM ready"), start, claim.factor or 0)
    return _compared(claim, whole, ready, evidence, p=own_p, emulated=not vm.admissible_cpu)


@judge("less-memory", tests=True)
def less_memory(claim: Claim, data: RunData) -> Judgement:
    """An idle container takes less memory than an idle VM."""
    for kind in ("container", "vm"):
        if data.sandbox(kind) is None:
            return _untestable(claim, data, kind)
    container, vm = data.sandbox("container"), data.sandbox("vm")
    assert container is not None
    assert vm is not None
    held = _memory(container, "pss_bytes", "processes of the container")
    whole = contrast(data, _memory(vm, "pss_bytes", "processes of the VM"), held, claim.factor or 0)
    # Each counts what the other leaves out: the cgroup has the kernel's memory and page cache, the
    # processes have shared pages that were charged elsewhere. The larger one is the harder test.
    charged = _memory(container, "cgroup_bytes", "the container's whole cgroup")
    most = max(held, charged, key=lambda side: side.median(data).estimate or 0)
    used = _memory(vm, "guest_used_bytes", "memory in use by the guest itself")
    bound = contrast(data, used, most, claim.factor or 0)
    beside = Evidence(
        observation="resident set of the VMM beyond guest RAM",
        result=units.estimate(_memory(vm, "vmm_bytes", "").median(data), Unit.BYTES)
        + ("" if vm.admissible_cpu else "; holds the emulator's translated code too"),
        decides=False,
    )
    return _compared(claim, whole, bound, beside, emulated=not vm.admissible_cpu)


@judge("no-extra-layer", tests=True)
def no_extra_layer(claim: Claim, data: RunData) -> Judgement:
    """Every workload's throughput in the container equals the native one within the margin."""
    for kind in ("container", "native"):
        if data.sandbox(kind) is None:
            return _untestable(claim, data, kind)
    found = [
        contrast(
            data,
            _throughput(data.sandbox("container"), workload, f"{workload} in the container"),
            _throughput(data.sandbox("native"), workload, "natively"),
            claim.factor or 0,
        )
        for workload in _workloads(data)
    ]
    if not found:
        reason = "the run holds no workload with a throughput"
        return verdict(claim, Verdict.NOT_TESTABLE, EQUIVALENCE, reason)
    evidence = [*(one.evidence() for one in found), *_inside_guest(claim, data)]
    slower = [one for one in found if one.outcome is Outcome.BELOW]
    open_ones = [one for one in found if one.outcome is not Outcome.WITHIN]
    margin = units.percent(claim.factor or 0)
    if slower:
        # One counterexample refutes; the smallest of several p-values pays for the choice.
        p = min(1.0, len(found) * min(one.p or 0.0 for one in slower))
        equal = [one.above.workload for one in found if one.outcome is Outcome.WITHIN]
        reason = "slower: " + _some([one.sentence for one in slower], "; ")
        reason += f"; equal within {margin}: {_some(equal, ', ', 6)}" if equal else ""
        return verdict(claim, Verdict.REFUTED, RATIO, reason, *evidence, p=p)
    if open_ones:
        reason = "not decided: " + _some([one.sentence for one in open_ones], "; ")
        return verdict(claim, Verdict.INCONCLUSIVE, EQUIVALENCE, reason, *evidence)
    shown = [f"{one.above.workload} {units.ratio(one.effect)}" for one in found if one.effect]
    reason = f"throughput equals native within {margin}: {_some(shown, ', ', 6)}"
    p = max(one.p or 0.0 for one in found)
    return verdict(claim, Verdict.SUPPORTED, EQUIVALENCE, reason, *evidence, p=p)


def _compared(
    claim: Claim,
    whole: Contrast,
    bound: Contrast,
    *beside: Evidence,
    emulated: bool,
    p: float | None = None,
) -> Judgement:
    """Judge a claim of difference by the whole contrast or, under emulation, by the bound."""
    if not emulated:
        evidence = (whole.evidence(), bound.evidence(decides=False), *beside)
        kind = _DIFFERENCE[whole.outcome]
        combined = None if whole.p is None else max(whole.p, p or 0.0)
        return verdict(claim, kind, RATIO, whole.sentence, *evidence, p=combined)
    evidence = (bound.evidence(), whole.evidence(decides=False), *beside)
    if bound.outcome is Outcome.ABOVE:
        combined = max(bound.p or 0.0, p or 0.0)
        return verdict(claim, Verdict.SUPPORTED_BOUND, BOUND, bound.sentence, *evidence, p=combined)
    why = f"what is admissible under emulation does not decide. {sentence(bound.sentence)}"
    return verdict(claim, Verdict.INCONCLUSIVE, BOUND, why, *evidence)


def _some(items: list[str], separator: str, most: int = 2) -> str:
    """Join a few items and count the others: all of them stand in the evidence."""
    left = len(items) - most
    return separator.join([*items[:most], *([f"and {left} more"] if left > 0 else [])])


def _within_limit(
    claim: Claim, data: RunData, start: Side
) -> tuple[Verdict, float | None, Evidence]:
    """Judge the absolute part of ``starts-fast``: the container's own median against the limit."""
    limit = claim.limit_s or 0.0
    named = f"{start.name}, limit {units.quantity(limit, Unit.SECONDS)}"
    if trouble := start.trouble(data):
        return Verdict.INCONCLUSIVE, None, Evidence(observation=named, result=trouble)
    median = start.median(data)
    shown = f"{units.estimate(median, start.unit)} over {median.n} blocks"
    evidence = Evidence(observation=named, result=shown)
    against = [(value, limit) for value in start.values(data)]
    if median.high is not None and median.high < limit:
        return Verdict.SUPPORTED, estimators.p_below(against, 1), evidence
    if median.low is not None and median.low >= limit:
        return Verdict.REFUTED, estimators.p_above(against, 1), evidence
    return Verdict.INCONCLUSIVE, None, evidence


def _inside_guest(claim: Claim, data: RunData) -> list[Evidence]:
    """Show the VM's throughput beside the container's; it decides nothing here."""
    vm, native = data.sandbox("vm"), data.sandbox("native")
    if vm is None:
        return []
    found = [
        contrast(
            data,
            _throughput(vm, workload, f"{workload} in the VM"),
            _throughput(native, workload, "natively"),
            claim.factor or 0,
        )
        for workload in _workloads(data)
    ]
    return [one.evidence(decides=False) for one in found]


def _untestable(claim: Claim, data: RunData, kind: str, *evidence: Evidence) -> Judgement:
    reason = data.missing([kind]) or ""
    return verdict(claim, Verdict.NOT_TESTABLE, "needs what the run lacks", reason, *evidence)


def _start(sandbox: SandboxInfo, boundary: str, name: str) -> Side:
    return Side(sandbox, metrics.STARTUP, f"startup_{boundary}_s", Unit.SECONDS, name)


def _memory(sandbox: SandboxInfo, metric: str, name: str) -> Side:
    return Side(sandbox, metrics.MEMORY, metric, Unit.BYTES, name)


def _throughput(sandbox: SandboxInfo | None, workload: str, name: str) -> Side:
    assert sandbox is not None  # the callers have looked
    return Side(sandbox, workload, "throughput_per_s", Unit.PER_SECOND, name)


def _workloads(data: RunData) -> list[str]:
    """Return the workloads with a throughput that run on one instance alone.

    One whose server is in another place goes over a network that the sandboxes do not share: a bare
    process reaches it over loopback, a container over a bridge. That says what the network costs,
    and not whether the application runs directly on the host.
    """
    rates = data.table[data.table["metric"] == "throughput_per_s"]
    alone = rates[~rates["parameters"].str.contains(f'"{metrics.PATH}"', regex=False)]
    return [str(name) for name in alone["workload"].unique()]
