"""What an attempt's result means."""

from __future__ import annotations

import errno
import signal
from typing import Any

import pytest

from benchmarks.experiments import probes
from benchmarks.experiments.probes import Outcome
from benchmarks.experiments.probes.controls import judge_attempt
from benchmarks.experiments.probes.numbers import call_number
from tests.unit.benchmarks.experiments.probes import world

CONTROLS = {control.id: control for control in probes.controls(world.MARKERS)}


@pytest.mark.parametrize(
    ("control", "attempt", "outcome"),
    [
        ("mount", ("errno", errno.EPERM), Outcome.HELD),
        ("mount", ("errno", errno.ENODEV), Outcome.OPEN),
        ("unshare", ("value", 0), Outcome.OPEN),
        ("clone3", ("errno", errno.ENOSYS), Outcome.HELD),
        ("core-pattern", ("errno", errno.EROFS), Outcome.HELD),
        ("core-pattern", ("value", 0), Outcome.OPEN),
        ("release-agent", ("errno", errno.ENOENT), Outcome.HELD),
        ("keyring-search", ("errno", errno.ENOKEY), Outcome.HELD),
        ("keyring-search", ("value", 7), Outcome.OPEN),
        ("block-device", ("errno", errno.ENXIO), Outcome.NOT_APPLICABLE),
        ("af-vsock", ("errno", errno.EAFNOSUPPORT), Outcome.NOT_APPLICABLE),
        ("bpf", ("signal", signal.SIGSYS), Outcome.HELD),
    ],
)
def test_outcome_of_an_attempt(control: str, attempt: tuple[str, Any], outcome: Outcome) -> None:
    assert judge_attempt(CONTROLS[control], attempt).outcome is outcome


@pytest.mark.parametrize(
    "attempt", [None, ("error", "ModuleNotFoundError: ctypes"), ("signal", signal.SIGALRM)]
)
def test_a_broken_attempt_is_an_error_and_never_held(attempt: tuple[str, Any] | None) -> None:
    found = judge_attempt(CONTROLS["mount"], attempt)
    assert found.outcome is None
    assert found.error


def with_attempts(release: str, **attempts: tuple[str, Any]) -> dict[str, probes.ControlFinding]:
    values = world.hardened() | {"uname": {"text": release, "node": "inside"}}
    reading = probes.Reading(format=1, values=values, attempts=attempts)
    found = probes.judge_controls(world.examination(values, sandbox=reading))
    return {finding.control: finding for finding in found}


def test_an_open_control_towards_a_guests_own_kernel_does_not_reach_the_host() -> None:
    found = with_attempts("6.12 #9", mount=("errno", errno.ENODEV), setns=("errno", errno.EPERM))
    assert found["mount"].outcome is Outcome.NOT_APPLICABLE
    assert "ENODEV" in found["mount"].evidence
    assert found["setns"].outcome is Outcome.HELD


def test_an_open_control_towards_the_hosts_kernel_is_open() -> None:
    assert with_attempts("6.1 #1", mount=("errno", errno.ENODEV))["mount"].outcome is Outcome.OPEN


def test_identifiers_are_unique_over_probes_and_controls() -> None:
    names = [(workload, name) for workload, name, _ in probes.titles()]
    assert len(names) == len(set(names))


def test_every_control_says_why_it_does_no_harm() -> None:
    assert all(len(control.why) > 10 for control in CONTROLS.values())


def test_numbers_from_424_on_are_common() -> None:
    assert call_number("clone3", "riscv64") == call_number("clone3", "x86_64") == 435
    assert call_number("mount", "riscv64") is None
