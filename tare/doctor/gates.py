"""What a CI runner can gate, in three lines: start, throughput, isolation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tare.doctor.model import State

if TYPE_CHECKING:
    from tare.doctor.model import Diagnosis

_NOISE = ("cpus", "steal", "load", "psi", "throttling")
"""Checks whose warning means that equal things will look different here."""


def gates(diagnosis: Diagnosis) -> tuple[list[str], bool]:
    """Say what regressions this host can be a gate for.

    Returns:
        Three lines, and whether each of them names at least one sandbox.
    """
    able = [name for name, answer in diagnosis.can_run.items() if answer is True]
    refused = [f"{name}: {why}" for name, why in diagnosis.can_run.items() if why is not True]
    full_speed = [name for name in able if name != "vm" or diagnosis.accelerates]
    under = "" if "vm" not in able else f" (vm under {diagnosis.accelerator})"
    slow = len(full_speed) < len(able)
    emulated = [f"vm: its CPU is emulated ({diagnosis.accelerator})"] if slow else []
    noise = [
        check.title
        for check in diagnosis.checks
        if check.id in _NOISE and check.state is State.WARN
    ]
    lines = [
        _line("start", able, refused, under, noise),
        _line("throughput", full_speed, refused + emulated, under, noise),
        _line("isolation", able, refused, under, []),
    ]
    return lines, bool(able and full_speed)


def _line(what: str, able: list[str], refused: list[str], under: str, noise: list[str]) -> str:
    answer = "no" if not able else "in part" if refused else "yes"
    parts = [f"{what}: {answer}"]
    if able:
        parts.append(f", {', '.join(able)}{under if 'vm' in able else ''}")
    if refused:
        parts.append(f"; not {'; not '.join(refused)}")
    if able and noise:
        parts.append(f"; many comparisons will not decide, for {', '.join(noise)}")
    return " ".join("".join(parts).split())
