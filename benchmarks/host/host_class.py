"""What two runs must share before their numbers are laid beside each other, and what may differ.

Two hosts of one *class* have the same processor, as many CPUs and as much memory, the same control
groups and the same settings of speed: ephemeral runners of one kind are of one class although each
has a name and a boot of its own. What differs beside that is told, since a surprise may come from
it: the kernel's build, the microcode, mitigations.
"""

from __future__ import annotations

from typing import Any, NamedTuple

MUST = (
    "architecture",
    "cpu_model",
    "cpu_vendor",
    "cpus",
    "sockets",
    "memory_nodes",
    "cpu_kinds",
    "smt",
    "memory_bytes",
    "cgroup_mode",
    "virtualised",
    "hypervisor",
    "governor",
    "epp",
    "turbo",
    "platform_profile",
    "power",
)
"""Keys of a fingerprint's identity that make the class; every other may drift and is told."""

MEMORY_CLASS = 0.05
"""MemTotal of two hosts of one class: firmware and kernels reserve more or less of the same RAM."""


class Differences(NamedTuple):
    """How the hosts of two runs differ.

    Attributes:
        forbidding: What makes them hosts of two classes, a sentence each.
        drifted: What else differs, a sentence each.
    """

    forbidding: list[str]
    drifted: list[str]


def differences(base: dict[str, Any], new: dict[str, Any]) -> Differences:
    """Compare two fingerprints; what one of them was not asked, by an older version, is equal.

    Args:
        base: Fingerprint of one run.
        new: Fingerprint of the other.
    """
    one, two = base.get("identity", {}), new.get("identity", {})
    if not one or not two:
        return Differences(["a run does not say which host it was made on"], [])
    found = Differences([], [])
    for key in sorted(one.keys() & two.keys()):
        left, right = one[key], two[key]
        if left != right and not (key == "memory_bytes" and _one_class(left, right)):
            which = found.forbidding if key in MUST else found.drifted
            which.append(_said(key, left, right))
    return found


def _said(key: str, left: object, right: object) -> str:
    named = key.replace("_", " ")
    if isinstance(left, dict) and isinstance(right, dict):
        changed = sorted(k for k in left.keys() | right.keys() if left.get(k) != right.get(k))
        return f"{named} differ: {', '.join(changed)}"
    return f"{named} differs: {left!s} against {right!s}"


def _one_class(left: object, right: object) -> bool:
    if not isinstance(left, int | float) or not isinstance(right, int | float):
        return False
    return abs(left - right) <= MEMORY_CLASS * max(left, right)
