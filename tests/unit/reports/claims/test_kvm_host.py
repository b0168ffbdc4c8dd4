"""The claims of isolation on an ordinary host: cgroup v2, systemd, a KVM that accelerates.

The readings are made up as such a host gives them.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any

import pytest

from benchmarks.experiments import probes
from benchmarks.experiments.probes import agent
from reports.claims.judge import judged
from reports.model.records import Judgement, Verdict
from reports.model.rundata import RunData
from tests.unit.benchmarks.experiments.probes import world

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.reports.conftest import Synthetic

KERNEL = "6.12.57+deb13-cloud-amd64 #1 SMP Debian"
STOLEN = 691
"""Ticks that the hypervisor counted for the guest; 0 on the host, which is no guest."""


def host(moved: int = 0) -> probes.Reading:
    reading = world.host(moved)
    reading.values["uname"] = {"text": KERNEL, "node": "ordinary"}
    reading.values["/proc/stat"] = {"text": stat(70_000 + moved, 0)}
    reading.values["/proc/self/cgroup"] = {
        "text": "0::/user.slice/user-0.slice/session-1.scope/tare\n"
    }
    return reading


def stat(user: int, stolen: int) -> str:
    return f"cpu {user} 3 0 0 0 0 0 {stolen} 0 0\nctxt {user * 13}\nbtime 1700000001"


def container(v2: Path) -> probes.Reading:
    """Return what a default container of such a host reads, and how each attempt ended."""
    live = {key: host(1).values[key] for key in ("/proc/uptime", "/proc/stat", "/proc/loadavg")}
    identity = host().values
    values = world.hardened() | live
    values["uname"] = {"text": KERNEL, "node": "inside"}
    values |= {key: identity[key] for key in ("/proc/version", "/proc/cmdline")}
    values["/proc/sys/kernel/random/boot_id"] = identity["/proc/sys/kernel/random/boot_id"]
    attempts: dict[str, tuple[str, Any]] = {
        control.id: ("errno", errno.EPERM) for control in probes.controls(world.MARKERS)
    }
    attempts["clone3"] = ("errno", errno.ENOSYS)
    attempts["entry-32bit"] = ("errno", errno.ENOSYS)
    for name in ("sysrq-trigger", "core-pattern", "modprobe", "suid-dumpable", "cgroup-procs"):
        attempts[name] = ("errno", errno.EROFS)
    for name in ("uevent-helper", "binfmt-misc"):
        attempts[name] = ("errno", errno.ENOENT)
    attempts["release-agent"] = ("errno", -agent.below_each(str(v2), "release_agent", 1))
    return probes.Reading(format=1, values=values, attempts=attempts)


def guest() -> probes.Reading:
    """Return what a guest of the same distribution's kernel reads: its root may do anything."""
    values = world.hardened() | {
        "uname": {"text": KERNEL, "node": "guest"},
        "/proc/self/ns/pid": {"text": "pid:[4026531836]"},
        "/proc/sys/kernel/random/boot_id": {"text": "boot-of-the-guest"},
        "/proc/version": host().values["/proc/version"],
        "/proc/cmdline": {"text": "console=ttyS0"},
        "/proc/stat": {"text": stat(2_000, STOLEN)},
        "/proc/uptime": {"text": "21.5 3.5"},
        "/proc/loadavg": {"text": "0.5 0.1 0.0 1/80 300"},
        "/proc/self/uid_map": {"text": world.IDENTITY_MAP},
        "environment": {"variables": {"PATH": 1, "OLDPWD": 3, "PWD": 4}},
    }
    attempts = {
        control.id: ("errno", min(control.passed)) if control.passed else ("value", 0)
        for control in probes.controls(world.MARKERS)
    }
    return probes.Reading(format=1, values=values, attempts=attempts)


@pytest.fixture
def found(synthetic: Synthetic, tmp_path: Path) -> dict[str, Judgement]:
    """Judge a run of that host: the words are the rules' own."""
    for name in ("init.scope", "system.slice"):
        (tmp_path / name).mkdir()
    for name in ("cgroup.procs", "cgroup.controllers", "cpu.stat"):
        (tmp_path / name).touch()
    before = host()
    before.values["environment"] = {"variables": {"PATH": 1, "OLDPWD": 3, "PWD": 4}}
    inside, virtual = (
        world.examination({}, before=before, after=host(2), sandbox=sandbox)
        for sandbox in (container(tmp_path), guest())
    )
    leaks = [
        {finding.probe: finding.verdict for finding in probes.judge(examined, third)}
        for examined, third in ((inside, virtual.sandbox), (virtual, None))
    ]
    synthetic.emulated = False
    synthetic.leaks = {probe: (leaks[0][probe], leaks[1][probe]) for probe in leaks[0]}
    synthetic.controls = {one.control: one.outcome for one in probes.judge_controls(inside)}
    return {one.id: one for one in judged(RunData(synthetic.build()))}


def test_isolation_is_strong_where_every_control_held(found: dict[str, Judgement]) -> None:
    strong = found["isolation-strong-enough"]
    assert strong.verdict is Verdict.SUPPORTED, strong.reason


def test_isolation_is_weaker_where_only_the_container_leaks(found: dict[str, Judgement]) -> None:
    weaker = found["isolation-weaker"]
    assert weaker.verdict is Verdict.SUPPORTED, weaker.reason
    assert " 0 in the VM" in weaker.reason


def test_the_kernel_is_shared_though_the_guest_runs_the_same_release(
    found: dict[str, Judgement],
) -> None:
    assert found["shared-kernel"].verdict is Verdict.SUPPORTED


def test_no_control_of_the_guest_reaches_the_host() -> None:
    examined = world.examination({}, before=host(), after=host(2), sandbox=guest())
    outcomes = {one.control: one.outcome for one in probes.judge_controls(examined)}
    assert set(outcomes.values()) == {probes.Outcome.NOT_APPLICABLE}
