"""Puts the checks together and says what follows from them.

A check says what it found and how it found out; nothing is concluded from a version number or a
file's existence where it can be tried. What is tried leaves nothing behind.
"""

from __future__ import annotations

from benchmarks import sandboxes
from tare.doctor import abilities, disturbances
from tare.doctor.model import Check, Diagnosis, State


def diagnose() -> Diagnosis:
    """Look at this host.

    Takes about a second, most of it for QEMU's accelerators: a guest of a few instructions counts
    a loop under each.
    """
    able = abilities.checks()
    checks = (*able, *disturbances.checks())
    can_run = decide({check.id: check for check in able})
    return Diagnosis(checks=checks, can_run=can_run, ok=any(v is True for v in can_run.values()))


_SANDBOXES = ("native", "container", "vm")


def decide(checks: dict[str, Check]) -> dict[str, bool | str]:
    """Say for every sandbox whether it can be had: True, or the reasons why not.

    Without root most other trials fail for that reason alone, so it is then the only one named.
    """
    found: dict[str, bool | str] = {}
    for sandbox in _SANDBOXES:
        needs = sandboxes.find(sandbox).needs
        failed = [checks[n] for n in needs if n in checks and checks[n].state is State.FAIL]
        named = failed[:1] if failed and failed[0].id == "root" else failed
        found[sandbox] = "; ".join(f"{c.title}: {c.found}" for c in named) or True
    return found
