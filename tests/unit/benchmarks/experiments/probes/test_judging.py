"""Verdicts: every planted leak is found by the right probe, and doubt is never safety."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks.experiments import probes
from benchmarks.experiments.probes import Verdict
from benchmarks.experiments.probes.rules import agreement, blanked, readable
from tests.unit.benchmarks.experiments.probes import world

FILES = tuple(probe for probe in probes.PROBES if probe.decide is readable)
IDS = {probe.id for probe in probes.PROBES}


def status(caps: str = world.ELEVEN, nnp: int = 1, mode: int = 2) -> world.Values:
    return {"/proc/self/status": {"text": world.STATUS.format(caps=caps, nnp=nnp, mode=mode)}}


def write(path: str) -> world.Values:
    return {f"write {path}": {"opened": True}}


OBJECTS: dict[str, world.Values] = {
    "hostname": {
        "uname": {"text": "6.1 #1", "node": "host"},
        "/proc/self/ns/uts": {"text": "uts:[1001]"},
    },
    **{
        f"ns-{name}": {f"/proc/self/ns/{name}": {"text": f"{name}:[1001]"}}
        for name in ("pid", "uts", "mnt", "ipc", "net", "user", "cgroup", "time")
    },
    "processes": {"/proc": {"processes": {"77": "sh\0tare-mark-1"}}},
    "sysv-ipc": {"/proc/sysvipc/shm": {"text": "0 0 600 123457 3"}},
    "posix-shm": {"/dev/shm": {"names": ["tare-mark-1"]}},
    "abstract-sockets": {"/proc/self/net/unix": {"text": "0: @tare-mark-1"}},
    "keys": {"/proc/keys": {"text": "user tare-mark-1: 1"}},
    "locks": {"/proc/locks": {"text": "1: FLOCK 08:01:4711 0 EOF"}},
    "locks-ofd": {"/proc/locks": {"text": "1: OFDLCK 08:01:4712 0 EOF"}},
    "mounts": {"/proc/self/mountinfo": {"text": "20 1 8:1 / /host rw - ext4 /dev/sda1 rw\n"}},
    "mount-paths": {"/proc/self/mountinfo": {"text": world.OVERLAY}},
    "links": {"/sys/class/net": {"names": ["enp3s0", "lo"]}},
    "uid-map": {"/proc/self/uid_map": {"text": world.IDENTITY_MAP}},
    "cgroup-view": {"/proc/self/cgroup": {"text": "0::/system.slice/tare\n"}},
    "capabilities": {
        **status(caps="00000000a80425fb"),
        "/proc/self/ns/user": {"text": "user:[1001]"},
    },
    "no-new-privs": status(nnp=0),
    "seccomp": status(mode=0),
    "devices": {"/dev": {"devices": {"sda": ["b", 8, 0, True]}}},
    "mac": {"addresses": {"addresses": {"eth0": world.HOST_MAC}}},
    "neighbours": {"/proc/self/net/arp": {"text": world.ARP.format(mac=world.HOST_MAC)}},
    "environment": {"environment": {"variables": {"PATH": 1, "SECRET": 2}}},
    "steal": {"/proc/stat": {"text": "cpu 9 9 0 0 0 0 0 401 0 0\nctxt 8"}},
    "tsc": {"tsc": {"text": "2000.0 MHz", "ticks": 10**12 + 1, "hertz": 2.0003e9}},
    "descriptors": {"/proc/self/fd": {"descriptors": {"5": "/var/lib"}}},
    "sysctls": write("/proc/sys/kernel/modprobe"),
    "sysrq": write("/proc/sysrq-trigger"),
    "core-pattern": write("/proc/sys/kernel/core_pattern"),
}  # fmt: skip


def test_every_probe_has_a_planted_leak_here() -> None:
    assert {p.id for p in FILES} | OBJECTS.keys() == IDS


def test_a_hardened_container_keeps_everything() -> None:
    leaked = {
        name for name, found in world.verdicts(world.hardened()).items() if found not in probes.KEPT
    }
    assert leaked == set()


@pytest.mark.parametrize("probe", OBJECTS)
def test_a_planted_leak_is_found_by_its_probe(probe: str) -> None:
    found = world.verdicts(world.hardened() | OBJECTS[probe])
    assert found[probe] is Verdict.SHARED_LIVE


def test_a_planted_leak_is_found_by_no_unrelated_probe() -> None:
    found = world.verdicts(world.hardened() | OBJECTS["abstract-sockets"])
    assert [name for name, verdict in found.items() if verdict is Verdict.SHARED_LIVE] == [
        "abstract-sockets"
    ]


@pytest.mark.parametrize("probe", FILES, ids=lambda probe: probe.id)
def test_a_file_of_the_host_is_found_by_its_probe(probe: probes.Probe) -> None:
    key = probe.wants[0][0]
    found = world.verdicts(world.hardened() | {key: world.host(moved=1).values[key]})
    assert found[probe.id] in {Verdict.SHARED_LIVE, Verdict.SHARED_CONSTANT}


@pytest.mark.parametrize(
    ("reading", "verdict"),
    [
        ({"errno": "ENOENT"}, Verdict.ABSENT),
        ({"errno": "EACCES"}, Verdict.DENIED),
        ({"errno": "EPERM"}, Verdict.DENIED),
        ({"text": "", "null": True}, Verdict.MASKED),
        ({"text": "", "null": False}, Verdict.MASKED),
        ({"text": "cpu 12 0\nctxt 15000\nbtime 1800000001", "null": False}, Verdict.NAMESPACED),
        (
            {"text": "cpu 70001 3\nctxt 900001\nbtime 1700000001", "null": False},
            Verdict.SHARED_LIVE,
        ),
    ],
)
def test_each_word_has_its_reading(reading: dict[str, Any], verdict: Verdict) -> None:
    assert world.verdicts(world.hardened() | {"/proc/stat": reading})["stat"] is verdict


def test_an_extra_capability_shows_even_in_a_user_namespace() -> None:
    found = world.verdicts(world.hardened() | status(caps="0000000000200000"))
    assert found["capabilities"] is Verdict.NAMESPACED


def test_a_device_that_refuses_to_open_is_denied() -> None:
    refused = {"/dev": {"devices": {"sda": ["b", 8, 0, "EPERM"]}}}
    assert world.verdicts(world.hardened() | refused)["devices"] is Verdict.DENIED


VERSION = {"/proc/version": {"text": "/proc/version holds 123456", "null": False}}


def test_a_constant_is_a_leak_only_if_an_unrelated_kernel_reads_something_else() -> None:
    def third(text: str) -> probes.Reading:
        return probes.Reading(format=1, values={"/proc/version": {"text": text}})

    inside = world.hardened() | VERSION
    other, same = third("another"), third("/proc/version holds 123456")
    assert world.verdicts(inside, other)["kernel"] is Verdict.SHARED_LIVE
    assert world.verdicts(inside, same)["kernel"] is Verdict.SHARED_CONSTANT


def test_without_an_unrelated_kernel_the_evidence_says_so() -> None:
    found = probes.judge(world.examination(world.hardened() | VERSION))
    kernel = next(finding for finding in found if finding.probe == "kernel")
    assert kernel.verdict is Verdict.SHARED_CONSTANT
    assert "no unrelated kernel" in kernel.evidence


def test_evidence_shows_both_sides() -> None:
    found = probes.judge(world.examination(world.hardened()))
    stat = next(finding for finding in found if finding.probe == "stat")
    assert stat.evidence.startswith("host: cpu 70000 3 0 0 0 0 0 400 0 0 ctxt")
    assert stat.evidence.endswith("sandbox: ENOENT")


GUEST = {
    "uname": {"text": "6.12 #9", "node": "guest"},
    "/proc/self/uid_map": {"text": world.IDENTITY_MAP},
    "/proc/sysrq-trigger": {"text": ""},
    "write /proc/sysrq-trigger": {"opened": True},
    **status(caps=world.ALL_CAPABILITIES, nnp=0, mode=0),
    **{f"/proc/self/ns/{n}": {"text": f"{n}:[1001]"} for n in ("pid", "uts", "user", "net")},
}


def test_powers_over_a_kernel_of_its_own_are_no_leak() -> None:
    found = world.verdicts(world.hardened() | GUEST)
    assert {name for name, verdict in found.items() if verdict not in probes.KEPT} == set()
    assert found["sysrq"] is Verdict.NAMESPACED
    assert found["ns-user"] is Verdict.NAMESPACED


def test_small_numbers_equal_by_chance_are_no_leak_of_another_kernel() -> None:
    quota = {"/proc/key-users": {"text": "0: 19 18/18 13/1000000 113/25000000"}}
    before, after = world.host(), world.host()
    before.values.update(quota)
    after.values["/proc/key-users"] = {"text": "0: 29 28/28 23/1000000 203/25000000"}
    inside = world.hardened() | GUEST
    inside["/proc/key-users"] = {"text": "0: 16 15/15 9/1000000 40/25000000"}
    found = world.verdicts(inside, before=before, after=after)
    assert found["key-users"] is Verdict.NAMESPACED


FIRST_PID = {"/proc/self/ns/pid": {"text": "pid:[4026531836]"}}
OTHER_BOOT = {"/proc/sys/kernel/random/boot_id": {"text": "another boot"}}


@pytest.mark.parametrize(
    ("values", "own"),
    [
        ({"uname": {"text": "6.12 #9"}}, True),
        ({}, False),
        (OTHER_BOOT | FIRST_PID, True),
        (OTHER_BOOT, False),
        ({"uname": {"error": "broken"}}, False),
    ],
    ids=["other release", "same", "same release, other boot", "made-up boot id", "unknown"],
)
def test_whose_kernel(values: world.Values, own: bool) -> None:  # noqa: FBT001  # a table's column
    inside = probes.Reading(format=1, values=world.hardened() | values)
    assert probes.runs_own_kernel(world.host(), inside) is own


@pytest.mark.parametrize("probe", probes.PROBES, ids=lambda probe: probe.id)
def test_a_probe_that_errs_is_an_error_and_never_safe(probe: probes.Probe) -> None:
    broken = world.hardened()
    for want in probe.wants:
        broken[want[0]] = {"error": "MemoryError: "}
    found = next(f for f in probes.judge(world.examination(broken)) if f.probe == probe.id)
    assert found.verdict is None
    assert found.error
    assert not found.kept


@pytest.mark.parametrize("kind", world.MARKERS)
def test_a_mark_that_could_not_be_planted_is_an_error(kind: str) -> None:
    markers = {name: mark for name, mark in world.MARKERS.items() if name != kind}
    found = probes.judge(world.examination(world.hardened(), markers=markers))
    assert sum(finding.error is not None for finding in found) == 1


def test_a_mark_the_host_does_not_see_itself_proves_nothing() -> None:
    before = world.host()
    before.values["/proc"] = {"processes": {}}
    found = world.verdicts(world.hardened(), before=before)
    assert found["processes"] is None


def test_an_unexpected_answer_is_an_error() -> None:
    assert world.verdicts(world.hardened() | {"/proc/stat": {"errno": "EIO"}})["stat"] is None


def test_a_sandbox_that_was_not_read_errs_everywhere() -> None:
    unread = world.examination(world.hardened(), sandbox=None, error="python3 is missing")
    assert {f.error for f in probes.judge(unread)} == {"python3 is missing"}
    assert {f.error for f in probes.judge_controls(unread)} == {"python3 is missing"}


@pytest.mark.parametrize(
    ("before", "sandbox", "after", "share"),
    [
        ("a 100 b 5000", "a 105 b 5000", "a 110 b 5000", 1.0),
        ("ctxt 5000", "ctxt 100", "ctxt 5010", 0.0),
        ("free 500 max 9223372036854775807", "free 500", "free 500", None),
        ("no numbers", "none", "none", None),
    ],
)
def test_agreement_of_numbers(before: str, sandbox: str, after: str, share: float | None) -> None:
    assert agreement(before, sandbox, after) == share


def timers(now_ns: int, *addresses: str) -> str:
    """``/proc/timer_list`` with a timer at each address."""
    lines = [f"now at {now_ns} nsecs"]
    for number, address in enumerate(addresses):
        wait = 1_054_025 * (number + 2)
        lines += [
            f" #{number}: <{address}>, hrtimer_wakeup, S:01",
            f" # expires at {now_ns + wait}-{now_ns + wait} nsecs [in {wait} to {wait} nsecs]",
        ]
    return "\n".join(lines)


def test_a_list_whose_entries_come_and_go_tells_nothing_of_another_kernel() -> None:
    # Digits of a hexadecimal address are as many numbers as letters part them into.
    addresses = ("000000007ea655e5", "0000000083296694", "000000002063912b", "0000000011223344")
    before = timers(13 * 10**12, *addresses)
    after = timers(13 * 10**12 + 9 * 10**9, *addresses[1:], "0000000044332211")
    guest = timers(20 * 10**9, *addresses)
    found = agreement(before, guest, after, strict=True)
    assert found is not None
    assert found < 0.5
    assert agreement(before, timers(13 * 10**12 + 10**9, *addresses), after, strict=True) == 1.0


def test_a_few_lines_alike_make_no_leak_of_another_kernel_s_list() -> None:
    names = "abcdefghijklmnopqrstuvwxyz"
    before = "\n".join(f"{name}-cache  9990 4096" for name in names)
    after = "\n".join(f"{name}-cache 10010 4096" for name in names)
    guest = "\n".join(["a-cache 70 4096", *(f"{name}-other 70 4096" for name in names[1:])])
    assert agreement(before, guest, after, strict=True) is None
    assert agreement(before, before, after, strict=True) == 1.0


def test_addresses_blanked_by_the_kernel_are_recognised() -> None:
    assert blanked("ffffffff81000000 T start", "0000000000000000 T start")
    assert not blanked("ffffffff81000000 T start", "ffffffff81000000 T start")
    assert not blanked("ffffffff81000000 T start", "0000000000000000 T other")
