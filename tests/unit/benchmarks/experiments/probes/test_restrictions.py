"""What an ordinary host forbids itself is told beside what was refused."""

from __future__ import annotations

import errno

import pytest

from benchmarks.experiments import probes
from benchmarks.experiments.probes.restrictions import reasons
from tests.unit.benchmarks.experiments.probes import world

KERNEL = "/proc/sys/kernel/"
LOCKDOWN = "/sys/kernel/security/lockdown"
LABEL = "/proc/self/attr/current"


@pytest.mark.parametrize(
    ("subject", "key", "text", "told"),
    [
        ("kmsg", f"{KERNEL}dmesg_restrict", "1\n", "kernel.dmesg_restrict is 1"),
        ("kmsg", f"{KERNEL}dmesg_restrict", "0\n", ""),
        ("kmsg", f"{KERNEL}kptr_restrict", "1\n", ""),
        ("kallsyms", f"{KERNEL}kptr_restrict", "2\n", "kernel.kptr_restrict is 2"),
        ("perf_event_open", f"{KERNEL}perf_event_paranoid", "3\n", "perf_event_paranoid is 3"),
        ("perf_event_open", f"{KERNEL}perf_event_paranoid", "-1\n", ""),
        ("bpf", f"{KERNEL}unprivileged_bpf_disabled", "2\n", "unprivileged_bpf_disabled is 2"),
        ("kexec_load", LOCKDOWN, "none [integrity] confidentiality\n", "locked down (integrity)"),
        ("kexec_load", LOCKDOWN, "[none] integrity confidentiality\n", ""),
        ("kcore", LOCKDOWN, "none integrity [confidentiality]\n", "(confidentiality)"),
        ("kcore", LOCKDOWN, "none [integrity] confidentiality\n", ""),
        ("mount", LABEL, "docker-default (enforce)\n", "AppArmor as docker-default (enforce)"),
        ("mount", LABEL, "unconfined\n", ""),
        ("mount", LABEL, "system_u:system_r:container_t:s0:c1,c2\0", "confined by SELinux as"),
        ("mount", LABEL, "unconfined_u:unconfined_r:unconfined_t:s0\0", ""),
        (
            "processes",
            "/proc/self/mountinfo",
            "20 1 0:5 / /proc rw,nosuid - proc proc rw,hidepid=invisible\n",
            "hidepid=invisible",
        ),
        ("processes", "/proc/self/mountinfo", "20 1 0:5 / /proc rw - proc proc rw\n", ""),
    ],
)
def test_what_forbids_it_is_named(subject: str, key: str, text: str, told: str) -> None:
    found = reasons(subject, {key: {"text": text}})
    assert told in found
    assert bool(found) is bool(told)


def test_nothing_is_named_where_no_setting_can_be_read() -> None:
    unread = {f"{KERNEL}dmesg_restrict": {"errno": "ENOENT"}, LABEL: {"errno": "EINVAL"}}
    assert reasons("kmsg", unread) == ""


RESTRICTED = {
    "/dev/kmsg": {"errno": "EPERM"},
    f"{KERNEL}dmesg_restrict": {"text": "1\n"},
}


def test_a_probe_and_a_control_say_what_refused_them() -> None:
    sandbox = probes.Reading(
        format=1,
        values=world.hardened() | RESTRICTED,
        attempts={"syslog": ("errno", errno.EPERM), "mount": ("errno", errno.EPERM)},
    )
    examined = world.examination({}, sandbox=sandbox)
    kmsg = next(one for one in probes.judge(examined) if one.probe == "kmsg")
    assert kmsg.evidence.endswith("sandbox: EPERM; kernel.dmesg_restrict is 1")
    controls = {one.control: one for one in probes.judge_controls(examined)}
    assert controls["syslog"].evidence == "EPERM; kernel.dmesg_restrict is 1"
    assert controls["mount"].evidence == "EPERM"


def test_what_the_host_is_refused_is_unknown_for_a_reason() -> None:
    before = world.host()
    before.values.update(RESTRICTED)
    inside = world.hardened() | {"/dev/kmsg": {"text": "6,1,2,-;a line"}}
    found = probes.judge(world.examination(inside, before=before))
    kmsg = next(finding for finding in found if finding.probe == "kmsg")
    assert kmsg.verdict is None
    assert kmsg.error is not None
    assert kmsg.error.endswith("nothing to compare; kernel.dmesg_restrict is 1")
