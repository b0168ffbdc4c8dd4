"""The host's fingerprint and what disturbs a measurement, on directories posing as hosts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest

from benchmarks.host import fingerprint
from benchmarks.host.host_class import differences

if TYPE_CHECKING:
    from pathlib import Path

CPU = "sys/devices/system/cpu"


def write(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


@pytest.fixture
def laptop(tmp_path: Path) -> Path:
    return write(
        tmp_path,
        {
            "proc/cpuinfo": "model name\t: Core i7\nflags\t: fpu vme\n\nmodel name\t: other\n",
            "proc/meminfo": "MemTotal:  8000000 kB\nMemAvailable:   4000000 kB\nHugePages: 3\n",
            "proc/self/mounts": "cgroup2 /sys/fs/cgroup cgroup2 rw,nosuid 0 0\n",
            "sys/fs/cgroup/cgroup.controllers": "cpu memory pids\n",
            "proc/sys/kernel/random/boot_id": "6b9c-secret\n",
            f"{CPU}/online": "0-3,6\n",
            f"{CPU}/intel_pstate/no_turbo": "1\n",
            f"{CPU}/cpu0/cpufreq/scaling_governor": "powersave\n",
            f"{CPU}/vulnerabilities/meltdown": "Mitigation: PTI\n",
            "sys/kernel/mm/transparent_hugepage/enabled": "always [madvise] never\n",
        },
    )


def test_fingerprint_reads_the_machine(laptop: Path) -> None:
    found = fingerprint.fingerprint(laptop)["identity"]
    assert found["cpu_model"] == "Core i7"
    assert found["cpus"] == 5
    assert found["memory_bytes"] == 8_000_000 * 1024
    assert found["cgroup_mode"] == "v2"
    assert found["cgroup_controllers"] == {"cpu": "v2", "memory": "v2", "pids": "v2"}
    assert found["turbo"] is False
    assert found["governor"] == "powersave"
    assert found["thp"] == "madvise"
    assert found["virtualised"] is False


def test_an_empty_host_says_none_and_not_zero(tmp_path: Path) -> None:
    found = fingerprint.fingerprint(tmp_path)["identity"]
    assert found["memory_bytes"] is None
    assert found["smt"] is None
    assert found["cgroup_mode"] is None


def test_v1_beside_v2_is_hybrid_and_mount_options_are_no_controllers(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "proc/self/mounts": (
                "cgroup /c/cpu cgroup rw,relatime,cpu,cpuacct 0 0\n"
                "cgroup /c/systemd cgroup rw,relatime,name=systemd 0 0\n"
                "cgroup2 /c/unified cgroup2 rw 0 0\n"
            ),
            "c/unified/cgroup.controllers": "hugetlb",
        },
    )
    assert fingerprint.cgroup_mode(tmp_path) == "hybrid"
    assert fingerprint.cgroup_controllers(tmp_path) == {
        "cpu": "v1",
        "cpuacct": "v1",
        "hugetlb": "v2",
    }


def test_fingerprint_is_json_and_keeps_the_boot_id_to_itself(laptop: Path) -> None:
    text = msgspec.json.encode(fingerprint.fingerprint(laptop)).decode()
    assert "6b9c-secret" not in text
    assert '"boot":"' in text


def test_another_boot_of_one_host_is_of_its_class(laptop: Path) -> None:
    one = fingerprint.fingerprint(laptop)
    write(laptop, {"proc/meminfo": "MemTotal: 8000100 kB\n", "proc/loadavg": "9 9 9 9/9 9\n"})
    assert differences(one, fingerprint.fingerprint(laptop)) == ([], [])


def test_an_ephemeral_runner_of_the_same_kind_is_of_its_class(laptop: Path) -> None:
    one = fingerprint.fingerprint(laptop)
    write(
        laptop,
        {
            "proc/sys/kernel/hostname": "runner-2\n",
            "proc/sys/kernel/version": "#2 SMP of another day\n",
            f"{CPU}/vulnerabilities/meltdown": "Vulnerable\n",
        },
    )
    found = differences(one, fingerprint.fingerprint(laptop))
    assert not found.forbidding
    assert [said.partition(" differ")[0] for said in found.drifted] == [
        "hostname",
        "kernel version",
        "mitigations",
    ]


def test_a_setting_of_speed_is_of_the_class(laptop: Path) -> None:
    one = fingerprint.fingerprint(laptop)
    write(laptop, {f"{CPU}/cpu0/cpufreq/scaling_governor": "performance\n"})
    found = differences(one, fingerprint.fingerprint(laptop))
    assert found == (["governor differs: powersave against performance"], [])


def test_a_run_without_a_host_is_not_comparable(laptop: Path) -> None:
    assert differences({}, fingerprint.fingerprint(laptop)).forbidding


QUIET = fingerprint.Conditions(
    at_ns=0,
    cpus=4,
    load1=0.2,
    runnable=0,
    cpu_ticks=1000,
    steal_ticks=0,
    psi_us={"cpu": 0, "memory": 0, "io": 0},
    mem_available_bytes=4 << 30,
    mem_total_bytes=8 << 30,
    swap_pages=0,
    throttles=0,
    frequency_hz=3e9,
)
LATER = msgspec.structs.replace(QUIET, at_ns=10**9, cpu_ticks=1400)


def test_a_quiet_host_raises_no_flag() -> None:
    assert fingerprint.flags(QUIET, LATER) == ()


@pytest.mark.parametrize(
    ("before", "after", "flag"),
    [
        ({}, {"steal_ticks": 8}, "steal"),
        ({"load1": 3.0, "runnable": 3}, {}, "load"),
        ({}, {"psi_us": {"cpu": 0, "memory": 0, "io": 80_000}}, "psi"),
        ({}, {"swap_pages": 1}, "swap"),
        ({}, {"mem_available_bytes": 200 << 20}, "memory"),
        ({}, {"throttles": 1}, "thermal"),
        ({}, {"frequency_hz": 2.4e9}, "frequency"),
        ({}, {"hot": True}, "thermal"),
        ({"ksm_pages": 1000}, {"ksm_pages": 700}, "ksm"),
    ],
)
def test_each_disturbance_has_its_flag(
    before: dict[str, object], after: dict[str, object], flag: str
) -> None:
    one = msgspec.structs.replace(QUIET, **before)
    two = msgspec.structs.replace(LATER, **after)
    assert fingerprint.flags(one, two) == (flag,)


def test_our_own_load_average_is_not_held_against_the_host() -> None:
    assert fingerprint.flags(msgspec.structs.replace(QUIET, load1=4.0), LATER) == ()


def test_a_host_that_tells_nothing_raises_no_flag(tmp_path: Path) -> None:
    silent = fingerprint.conditions(tmp_path)
    assert silent.mem_available_bytes is None
    assert fingerprint.flags(silent, silent) == ()


def test_heat_and_merged_pages_are_read(tmp_path: Path) -> None:
    zone = "sys/class/thermal/thermal_zone0"
    write(
        tmp_path,
        {
            "sys/kernel/mm/ksm/pages_sharing": "512\n",
            f"{zone}/temp": "84000\n",
            f"{zone}/trip_point_0_type": "critical\n",
            f"{zone}/trip_point_0_temp": "100000\n",
            f"{zone}/trip_point_1_type": "passive\n",
            f"{zone}/trip_point_1_temp": "85000\n",
            f"{zone}/cdev0_trip_point": "1\n",
        },
    )
    found = fingerprint.conditions(tmp_path)
    assert found.ksm_pages == 512
    assert found.hot is False
    write(tmp_path, {f"{zone}/temp": "85000\n"})
    assert fingerprint.conditions(tmp_path).hot


def test_a_real_snapshot_is_read() -> None:
    found = fingerprint.conditions()
    assert found.cpus >= 1
    assert found.mem_total_bytes
