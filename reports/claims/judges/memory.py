"""Judge whether containers need less memory.

Memory can be counted in several ways, each of which leaves something out, and the way of counting
may move a ratio further than any noise. So the verdict rests on the counts that make it hardest:
the smallest defensible one of the VM's, and the largest of the container's. What the others give
is shown.
"""

import itertools
from dataclasses import replace
from typing import NamedTuple

from benchmarks.results import metrics
from benchmarks.results.records import SandboxInfo, Unit
from reports.claims.contrast import Contrast, Outcome, Side, contrast
from reports.claims.difference import compared, untestable
from reports.claims.registry import judge
from reports.model.declaration import Claim
from reports.model.records import Evidence, Judgement
from reports.model.rundata import RunData
from reports.renderers import units

_CONTAINER = {
    "pss_bytes": "processes of the container",
    "cgroup_bytes": "the container's whole cgroup",
}
"""Each counts what the other leaves out: the cgroup has the kernel's memory and page cache, the
processes have shared pages that were charged elsewhere."""
_VM = {
    "uss_bytes": "memory that the VM's processes alone map",
    "pss_bytes": "processes of the VM",
    "cgroup_bytes": "the VM's whole cgroup",
}
_GUEST = {
    "guest_held_bytes": "memory held by the guest itself",
    "guest_used_bytes": "memory in use by the guest itself",
}
"""The first leaves out page cache and what the guest's kernel keeps free as its reserve."""


class _Counted(NamedTuple):
    """A ratio by the counts that make it smallest, with the range over all counts as evidence."""

    hardest: Contrast
    beside: tuple[Evidence, ...]


@judge("less-memory", tests=True)
def less_memory(claim: Claim, data: RunData) -> Judgement:
    """An idle container takes less memory than an idle VM."""
    container, vm = data.sandbox("container"), data.sandbox("vm")
    for kind, box in (("container", container), ("vm", vm)):
        if box is None:
            return untestable(claim, data, kind)
    assert container is not None
    assert vm is not None
    ours = _sides(data, container, _CONTAINER)
    whole = _counted(claim, data, _sides(data, vm, _VM), ours)
    bound = _counted(claim, data, _sides(data, vm, _GUEST), ours)
    resident = Side(vm, metrics.MEMORY, "vmm_bytes", Unit.BYTES, "").median(data)
    beside = Evidence(
        observation="resident set of the VMM beyond guest RAM",
        result=units.estimate(resident, Unit.BYTES)
        + ("" if vm.admissible_cpu else "; holds the emulator's translated code too"),
        decides=False,
    )
    emulated = not vm.admissible_cpu
    shown = bound.beside if emulated else whole.beside
    return compared(claim, data, whole.hardest, bound.hardest, *shown, beside, emulated=emulated)


def _sides(data: RunData, box: SandboxInfo, counts: dict[str, str]) -> list[Side]:
    """Return the ways to count that have values, the smallest first; one at least."""
    sides = [Side(box, metrics.MEMORY, metric, Unit.BYTES, name) for metric, name in counts.items()]
    known = [side for side in sides if side.values(data)] or sides[:1]
    return sorted(known, key=lambda side: side.median(data).estimate or 0)


def _counted(claim: Claim, data: RunData, above: list[Side], below: list[Side]) -> _Counted:
    """Contrast the smallest count above with the largest below, and lay the others beside."""
    factor = claim.factor or 0
    hardest = contrast(data, above[0], below[-1], factor)
    others = [
        contrast(data, one, other, factor)
        for one, other in itertools.product(above, below)
        if (one, other) != (above[0], below[-1])
    ]
    known = [one for one in (hardest, *others) if one.effect is not None]
    if hardest.effect is None or len(known) == 1:
        return _Counted(hardest, ())
    estimates = sorted(one.effect.estimate or 0.0 for one in known if one.effect)
    low, high = hardest.effect.low or 0.0, hardest.effect.high or 0.0
    easiest = max(known, key=lambda one: one.effect.estimate or 0.0 if one.effect else 0.0)
    beside: tuple[Evidence, ...] = ()
    if low and estimates[-1] / estimates[0] > high / low:
        ends = " to ".join(units.digits(end) for end in (estimates[0], estimates[-1]))
        wide = f"by the ways there are to count, {ends}{units.TIMES}"
        hardest = replace(hardest, sentence=f"{hardest.sentence}; {wide}")
        named = ", ".join(side.name for side in (*above, *below))
        beside = (
            Evidence(observation=f"ratio over the counts: {named}", result=wide, decides=False),
        )
    if hardest.outcome in {Outcome.BELOW, Outcome.WITHIN} and easiest.outcome != hardest.outcome:
        # The hardest count alone can support the claim, and refute it only if all others do too.
        said = f"{hardest.sentence}; the way of counting decides: {easiest.sentence}"
        hardest = replace(hardest, outcome=Outcome.UNDECIDED, p=None, sentence=said)
    elif hardest.outcome is Outcome.BELOW:
        hardest = replace(hardest, p=max(hardest.p or 0.0, easiest.p or 0.0))
    return _Counted(hardest, beside)
