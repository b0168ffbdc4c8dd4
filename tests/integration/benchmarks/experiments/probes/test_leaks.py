"""The probes on the real kernel: each technology that is left out is noticed by its own probes."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from benchmarks.experiments import probes
from benchmarks.experiments.probes import Verdict
from runtime.spec import profiles

if TYPE_CHECKING:
    import runtime
    from tests.integration.benchmarks.experiments.probes.conftest import Examine


def verdicts(examined: probes.Examination) -> dict[str, Verdict | None]:
    return {finding.probe: finding.verdict for finding in probes.judge(examined)}


def test_no_probe_errs_in_the_default_container(hardened: probes.Examination) -> None:
    findings = [*probes.judge(hardened), *probes.judge_controls(hardened)]
    assert {finding.error for finding in findings} == {None}


def test_every_control_holds_in_the_default_container(hardened: probes.Examination) -> None:
    found = probes.judge_controls(hardened)
    assert [finding for finding in found if finding.outcome is probes.Outcome.OPEN] == []


def test_nobody_elses_objects_and_no_powers_in_the_default_container(
    hardened: probes.Examination,
) -> None:
    kinds = {probe.id: probe.kind for probe in probes.PROBES}
    serious = {probes.Kind.OBJECTS, probes.Kind.POWER}
    leaked = {
        finding.probe
        for finding in probes.judge(hardened)
        if kinds[finding.probe] in serious and not finding.kept
    }
    # No container has a time namespace unless its clocks are offset.
    assert leaked == {"ns-time"}


@pytest.mark.parametrize(
    ("technology", "found_by"),
    [
        ("pid", {"ns-pid", "processes"}),
        ("uts", {"ns-uts", "hostname"}),
        ("ipc", {"ns-ipc", "sysv-ipc", "posix-shm"}),
        ("net", {"ns-net", "abstract-sockets", "links"}),
        ("user", {"ns-user", "uid-map"}),
        ("cgroup", {"ns-cgroup"}),
        ("seccomp", {"seccomp"}),
        ("capabilities", {"capabilities"}),
        ("masks", {"interrupts", "timer-list"}),
        ("no_new_privs", {"no-new-privs"}),
    ],
)
def test_a_technology_left_out_is_noticed(
    examine: Examine,
    default: runtime.Spec,
    hardened: probes.Examination,
    technology: str,
    found_by: set[str],
) -> None:
    before, after = verdicts(hardened), verdicts(examine(profiles.without(default, technology)))
    assert found_by <= {probe for probe in before if before[probe] != after[probe]}


def test_one_mask_removed_is_noticed_by_its_own_probe_alone(
    examine: Examine, default: runtime.Spec, hardened: probes.Examination
) -> None:
    fewer = tuple(path for path in default.linux.masked_paths if path != "/proc/interrupts")
    linux = replace(default.linux, masked_paths=fewer)
    before, after = verdicts(hardened), verdicts(examine(replace(default, linux=linux)))
    assert before["interrupts"] is Verdict.MASKED
    assert after["interrupts"] is Verdict.SHARED_LIVE
    changed = {probe for probe in before if before[probe] != after[probe]}
    assert {p for p in changed if before[p] is Verdict.MASKED} == {"interrupts"}


def test_one_more_capability_is_noticed(
    examine: Examine, default: runtime.Spec, hardened: probes.Examination
) -> None:
    held = default.process.capabilities
    assert held is not None
    process = replace(default.process, capabilities=(*held, "CAP_SYS_PTRACE"))
    found = {f.probe: f for f in probes.judge(examine(replace(default, process=process)))}
    assert verdicts(hardened)["capabilities"] is Verdict.DENIED
    assert found["capabilities"].verdict is Verdict.NAMESPACED
    assert "1 beyond Podman's eleven" in found["capabilities"].evidence


def test_the_host_itself_shares_everything_with_itself() -> None:
    examined = probes.examine(
        lambda argv: subprocess.run(argv, capture_output=True, check=True).stdout
    )
    found = verdicts(examined)
    kept = {name for name, verdict in found.items() if verdict in probes.KEPT}
    # Left are things this host has not, and descriptors nobody left open.
    assert (
        kept & {"processes", "sysv-ipc", "abstract-sockets", "locks", "boot-id", "uptime"} == set()
    )


@pytest.mark.parametrize(
    ("shared", "probe"),
    [("pid", "processes"), ("net", "abstract-sockets"), ("ipc", "sysv-ipc"), ("uts", "ns-uts")],
)
def test_one_shared_namespace_among_private_ones_is_found(shared: str, probe: str) -> None:
    flags = {
        "pid": ["--pid", "--fork"],
        "net": ["--net"],
        "ipc": ["--ipc"],
        "uts": ["--uts"],
    }
    private = [flag for name, own in flags.items() if name != shared for flag in own]
    # Not --mount-proc: it wants a root that is a mount point, which a plain chroot is not.
    script = "mount --make-rprivate / 2>/dev/null; "
    script += "" if shared == "pid" else "mount -t proc proc /proc; "
    private += ["--mount", "--propagation", "unchanged", "sh", "-c", script + 'exec "$@"', "sh"]

    def inside(argv: list[str]) -> bytes:
        return subprocess.run(["unshare", *private, *argv], capture_output=True, check=True).stdout

    found = verdicts(probes.examine(inside))
    assert found[probe] is Verdict.SHARED_LIVE
    others = {"pid": "processes", "net": "abstract-sockets", "ipc": "sysv-ipc", "uts": "ns-uts"}
    assert {found[name] for key, name in others.items() if key != shared} == {Verdict.NAMESPACED}


def test_trying_the_controls_leaves_the_host_as_it_was() -> None:
    settings = [
        Path("/proc/sys/kernel/core_pattern"),
        Path("/proc/sys/fs/suid_dumpable"),
        Path("/proc/sys/kernel/hostname"),
        Path("/proc/self/mountinfo"),
    ]
    before = [path.read_text() for path in settings]
    probes.examine(lambda argv: subprocess.run(argv, capture_output=True, check=True).stdout)
    assert [path.read_text() for path in settings] == before
    assert list(Path("/dev").glob(".tare-*")) == []
    # looked at only; other processes plant theirs meanwhile
    assert list(Path("/dev/shm").glob(f"tare-mark-{os.getpid()}-*")) == []


def test_what_a_killed_campaign_planted_is_gone_when_the_next_has_planted() -> None:
    plant = (
        "import os, signal\n"
        "from benchmarks.experiments import probes\n"
        "with probes.planted() as marks:\n"
        "    print(marks['process'], flush=True)\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    killed = subprocess.run([sys.executable, "-c", plant], capture_output=True, check=False)
    mark = killed.stdout.decode().strip()
    assert mark
    assert (Path("/dev/shm") / mark).exists()
    with probes.planted():
        seen = probes.read_host().values
    places = ("/proc", "/proc/self/net/unix", "/dev/shm")
    assert [place for place in places if mark in str(seen[place])] == []
