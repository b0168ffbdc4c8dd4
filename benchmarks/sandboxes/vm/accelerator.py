"""Choice of the accelerator that the guests run under, with caveats for the reader."""

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import vmdriver
from benchmarks.errors import UnsuitableHostError


@dataclass(frozen=True)
class Choice:
    """The accelerator that the audit admits.

    Attributes:
        name: ``kvm`` or ``tcg``.
        accelerates: Whether it runs a guest at the host's speed.
        cpu_features_off: CPU features it cannot give here.
        caveats: Sentences for the reader.
        audit: What was measured, as plain data.
    """

    name: str
    accelerates: bool
    cpu_features_off: tuple[str, ...]
    caveats: tuple[str, ...]
    audit: list[dict[str, object]]


@functools.cache
def audited() -> tuple[vmdriver.Accelerator, ...]:
    """Measure the accelerators, once a process: every kind of VM gets the same verdict."""
    return tuple(vmdriver.audit())


def choose() -> Choice:
    """Take the best accelerator by measurement; an emulating KVM is never taken.

    Raises:
        UnsuitableHostError: None can run a guest.
    """
    measured = audited()
    usable = [found for found in measured if found.verdict == "accelerates"] or [
        found for found in measured if found.verdict == "emulates" and found.name == "tcg"
    ]
    if not usable:
        reasons = "; ".join(f"{found.name}: {found.sentence}" for found in measured)
        raise UnsuitableHostError(f"no accelerator of QEMU can run a guest here: {reasons}")
    best = usable[0]
    return Choice(
        name=best.name,
        accelerates=best.verdict == "accelerates",
        cpu_features_off=best.cpu_features_off,
        caveats=tuple(_caveats(measured, best)),
        audit=[
            {
                "name": found.name,
                "verdict": found.verdict,
                "ratio_to_native": found.ratio,
                "loops_per_s": found.loops_per_s,
                "native_loops_per_s": found.native_loops_per_s,
                "reason": found.reason,
            }
            for found in measured
        ],
    )


def _caveats(
    audited: Sequence[vmdriver.Accelerator],
    chosen: vmdriver.Accelerator,
) -> list[str]:
    caveats = [
        f"{found.name} was not used: {found.sentence}"
        for found in audited
        if found.name != chosen.name and found.verdict != "accelerates"
    ]
    if chosen.verdict != "accelerates":
        caveats.append(
            f"The guest's CPU is emulated ({chosen.name}), so its speeds say nothing about a VM "
            "on hardware virtualization.",
        )
    return caveats
