"""Probes below the kernel: the CPU's own words, its clocks, stolen time.

No mount hides them, and in a VM they are what the hypervisor chose to show of its host. Sources:
Intel SDM 2A, CPUID; the kernel's Documentation/virt/kvm/x86/cpuid.rst; proc_stat(5); for the
time-stamp counter as a fingerprint, Zhao et al., Everywhere All at Once (ASPLOS 2024).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from benchmarks.experiments.probes.model import (
    KEPT,
    Case,
    Judgement,
    Kind,
    Probe,
    UnreadableError,
    Verdict,
)
from benchmarks.experiments.probes.rules import judged, readable, refusal

if TYPE_CHECKING:
    from benchmarks.experiments.probes.model import Want

SAME_RATE = 1e-3
"""Two counters whose rates differ by less go by one crystal, as far as 20 ms can tell."""
_STEAL_COLUMN = 8
"""Of the line "cpu" of /proc/stat, the name counted (proc_stat(5))."""
_TSC: Want = ("tsc", "tsc")
_STAT: Want = ("/proc/stat", "file", "/proc/stat", 16384)


def _cpuid(probe: str, what: str, title: str, about: str) -> Probe:
    return Probe(
        id=probe,
        title=title,
        kind=Kind.CONSTANT,
        wants=((f"cpuid {what}", "cpuid", what),),
        decide=readable,
        vm=KEPT | {Verdict.SHARED_CONSTANT},
        about=about,
    )


def _stolen(reading: dict[str, Any]) -> int:
    words = reading.get("text", "").split("\n", 1)[0].split()
    if len(words) <= _STEAL_COLUMN or words[0] != "cpu":
        raise UnreadableError("/proc/stat has no column of stolen time")
    return int(words[_STEAL_COLUMN])


def _steal(case: Case) -> Judgement:
    if found := refusal(case):
        return found
    before, sandbox, after = (_stolen(case.get(s)) for s in ("before", "sandbox", "after"))
    text = f"host: {before} to {after} ticks; sandbox: {sandbox}"
    if not sandbox:
        verdict = Verdict.NAMESPACED if after and not case.own_kernel else Verdict.ABSENT
        return Judgement(verdict, f"{text}; it is told of no stolen time")
    if case.own_kernel:
        note = "its hypervisor's account of this guest's own waiting"
        return Judgement(Verdict.NAMESPACED, f"{text}; {note}")
    if before <= sandbox <= after:
        return Judgement(Verdict.SHARED_LIVE, f"{text}; the host's own")
    return Judgement(Verdict.NAMESPACED, text)


def _tsc(case: Case) -> Judgement:
    if found := refusal(case):
        return found
    before, sandbox, after = (case.get(side) for side in ("before", "sandbox", "after"))
    if "errno" in before or "errno" in after:
        raise UnreadableError("the host reads none, so there is nothing to compare")
    if before["ticks"] <= sandbox["ticks"] <= after["ticks"]:
        note = "the host's count: it tells when the host was switched on"
        return judged(Verdict.SHARED_LIVE, before, sandbox, note)
    if abs(sandbox["hertz"] / before["hertz"] - 1) < SAME_RATE:
        note = "as fast as the host's, counted from elsewhere"
        return judged(Verdict.SHARED_CONSTANT, before, sandbox, note)
    return judged(Verdict.NAMESPACED, before, sandbox, "another rate")


PROBES: tuple[Probe, ...] = (
    _cpuid(
        "cpuid-model",
        "model",
        "model of the CPU, by CPUID",
        "Asks the CPU by CPUID, which no mask over /proc/cpuinfo touches. A VM should show the "
        "model its hypervisor made up; with host-passthrough it shows the host's.",
    ),
    _cpuid(
        "hypervisor",
        "hypervisor",
        "name of the hypervisor, by CPUID",
        "Leaf 0x40000000, if bit 31 of ECX in leaf 1 is set. In a VM it names the hypervisor that "
        "runs it; on the host one that runs the host, which a container then sees, too.",
    ),
    Probe(
        id="steal",
        title="stolen time",
        kind=Kind.ACTIVITY,
        wants=(_STAT,),
        decide=_steal,
        vm=KEPT,
        about="The eighth number of the line cpu in /proc/stat: how long this kernel's CPUs waited "
        "for the hypervisor below. A guest of KVM is told how long it was itself kept waiting, by "
        "an account of its own; an emulated one is told nothing. In a container the host's own "
        "number is a leak.",
    ),
    Probe(
        id="tsc",
        title="time-stamp counter",
        kind=Kind.IDENTITY,
        wants=(_TSC,),
        decide=_tsc,
        vm=KEPT | {Verdict.SHARED_CONSTANT},
        about="Reads the counter by RDTSC, and its rate over 20 ms. Between the host's readings "
        "before and after it is the host's, and tells when that was switched on. A VM counts from "
        "elsewhere, as fast as the host where nobody scales it.",
    ),
)
