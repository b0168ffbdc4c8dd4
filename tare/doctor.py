"""``tare doctor``: what this host can measure, and what would spoil it.

A check says what it found and how it found out; nothing is concluded from a version number or a
file's existence where it can be tried. What is tried leaves nothing behind.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec


class State(StrEnum):
    """How a finding bears on a campaign."""

    OK = "ok"
    INFO = "info"
    WARN = "warn"
    FAIL = "fail"


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """One thing looked at.

    Attributes:
        id: Identifier, stable between versions.
        title: What it is.
        state: How it bears on a campaign.
        found: What was found, in a few words.
        how: How it was found out.
        advice: What to do about it; None where nothing need be done.
        group: ``abilities`` or ``disturbances``.
    """

    id: str
    title: str
    state: State
    found: str
    how: str
    advice: str | None = None
    group: str = "abilities"


class Diagnosis(msgspec.Struct, frozen=True, kw_only=True):
    """All checks, and what follows from them.

    Attributes:
        checks: In the order of display.
        can_run: Sandbox to True, or to the reason why it cannot be had here.
        ok: Whether a campaign can run at all: at least one real sandbox can be had.
    """

    checks: tuple[Check, ...]
    can_run: dict[str, bool | str]
    ok: bool


def diagnose() -> Diagnosis:
    """Look at this host.

    Takes about a second, most of it for QEMU's accelerators: a guest of a few instructions counts
    a loop under each.
    """
    from tare import doctor_abilities, doctor_disturbances

    abilities = doctor_abilities.checks()
    checks = (*abilities, *doctor_disturbances.checks())
    can_run = decide({check.id: check for check in abilities})
    return Diagnosis(checks=checks, can_run=can_run, ok=any(v is True for v in can_run.values()))


_NEEDS = {
    "native": ("root", "namespaces", "overlay", "image"),
    "container": ("root", "namespaces", "overlay", "seccomp", "image"),
    "vm": ("root", "qemu", "libvirt", "accelerator", "image"),
}
"""Checks that must not fail for a sandbox to be had."""


def decide(checks: dict[str, Check]) -> dict[str, bool | str]:
    """Say for every sandbox whether it can be had: True, or the reasons why not.

    Without root most other trials fail for that reason alone, so it is then the only one named.
    """
    found: dict[str, bool | str] = {}
    for sandbox, needs in _NEEDS.items():
        failed = [checks[n] for n in needs if n in checks and checks[n].state is State.FAIL]
        named = failed[:1] if failed and failed[0].id == "root" else failed
        found[sandbox] = "; ".join(f"{c.title}: {c.found}" for c in named) or True
    return found
