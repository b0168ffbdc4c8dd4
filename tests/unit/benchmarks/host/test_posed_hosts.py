"""What is made of hosts that users have, from /proc and /sys as their kernels show them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.host import conditions, fingerprint, processors
from benchmarks.host.host_class import differences
from runtime.cgroups import layout
from tests.framework.posed_hosts import NAMES, pose, write

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def host(tmp_path: Path) -> Callable[[str], Path]:
    return lambda name: pose(name, tmp_path)


EXPECTED: dict[str, dict[str, Any]] = {
    "laptop": {
        "cpus": 16, "cpu_kinds": [8, 8], "sockets": 1, "virtualised": False, "smt": True,
        "governor": "powersave", "epp": "balance_performance", "platform_profile": "balanced",
        "power": "battery", "turbo": True, "cgroup_mode": "v2", "product": "LENOVO 21HDCTO1WW",
    },
    "two-sockets": {
        "cpus": 256, "cpu_kinds": [256], "sockets": 2, "memory_nodes": 2, "virtualised": False,
        "turbo": True, "isolated": [*range(120, 128), *range(248, 256)], "power": None,
    },
    "graviton": {
        "cpus": 2, "virtualised": True, "hypervisor": "amazon", "cpu_model": "0xd40",
        "product": "Amazon EC2 m7g.large", "cgroup_mode": "v2",
    },
    "wsl2": {"cpus": 8, "virtualised": True, "hypervisor": "hyperv", "product": None,
             "cgroup_mode": "v2"},
    "azure-runner": {"cpus": 4, "virtualised": True, "hypervisor": "hyperv", "memory_nodes": 1},
    "privileged-container": {"cpus": 4, "virtualised": True, "cgroup_mode": "v2"},
    "lxc": {"cpus": 4, "virtualised": False, "memory_bytes": 8 << 30},
    "bare-metal": {"cpus": 16, "virtualised": False, "hypervisor": None, "cpu_kinds": [16],
                   "epp": "performance", "governor": "performance"},
}  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_the_fingerprint_of(name: str, host: Callable[[str], Path]) -> None:
    found = fingerprint.fingerprint(host(name))["identity"]
    assert {key: found[key] for key in EXPECTED[name]} == EXPECTED[name]
    assert "memory" in found["cgroup_controllers"]


@pytest.mark.parametrize("name", NAMES)
def test_a_host_at_rest_raises_no_flag(name: str, host: Callable[[str], Path]) -> None:
    root = host(name)
    snapshots = [conditions.conditions(root), conditions.conditions(root)]
    assert conditions.flags(*snapshots) == ()


@pytest.mark.parametrize(
    ("name", "throttles"), [("laptop", 16 * 44), ("bare-metal", 0), ("graviton", None)]
)
def test_throttling_since_boot_is_told(
    name: str, throttles: int | None, host: Callable[[str], Path]
) -> None:
    root = host(name)
    assert fingerprint.fingerprint(root)["state"]["throttles"] == throttles


def test_only_a_trip_point_the_kernel_acts_on_is_a_limit(host: Callable[[str], Path]) -> None:
    root = host("laptop")
    # x86_pkg_temp has passive trip points of -274000 and TCPU one of 0; acpitz has a real one
    assert conditions.conditions(root).hot is False
    write(root, "sys/class/thermal/thermal_zone0/temp", "95000\n")
    assert conditions.conditions(root).hot is True


def test_a_trip_point_for_programs_is_no_limit(host: Callable[[str], Path]) -> None:
    root = host("bare-metal")
    assert conditions.conditions(root).hot is None
    # thermald has itself told of 40 °C
    write(root, "sys/class/thermal/thermal_zone0/trip_point_0_temp", "40000\n")
    conditions._limits.cache_clear()
    assert conditions.conditions(root).hot is None


def test_the_frequency_is_that_of_the_campaign_s_cpus(host: Callable[[str], Path]) -> None:
    root = host("laptop")
    before = conditions.conditions(root, cpus=(5, 7))
    for efficient in range(8, 16):
        write(root, f"sys/devices/system/cpu/cpu{efficient}/cpufreq/scaling_cur_freq", "400000\n")
    assert conditions.flags(before, conditions.conditions(root, cpus=(5, 7))) == ()
    write(root, "sys/devices/system/cpu/cpu7/cpufreq/scaling_cur_freq", "800000\n")
    assert conditions.flags(before, conditions.conditions(root, cpus=(5, 7))) == ("frequency",)


def test_a_throttled_neighbour_is_not_the_campaign_s(host: Callable[[str], Path]) -> None:
    root = host("laptop")
    path = "sys/devices/system/cpu/cpu{}/thermal_throttle/core_throttle_count"
    before = conditions.conditions(root, cpus=(7,))
    write(root, path.format(15), "9\n")
    assert conditions.flags(before, conditions.conditions(root, cpus=(7,))) == ()
    write(root, path.format(7), "9\n")
    assert conditions.flags(before, conditions.conditions(root, cpus=(7,))) == ("thermal",)


def test_256_cpus_cost_a_snapshot_no_more_reads_than_four(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads: list[Path] = []

    def counted(path: Path) -> str:
        reads.append(path)
        return read(path)

    read = conditions._read
    monkeypatch.setattr(conditions, "_read", counted)
    taken = {}
    for name in ("azure-runner", "two-sockets"):
        root = pose(name, tmp_path / name)
        conditions.conditions(root, cpus=(2, 3))  # what is found once is found
        reads.clear()
        conditions.conditions(root, cpus=(2, 3))
        taken[name] = len(reads)
    assert taken["two-sockets"] == taken["azure-runner"] <= 20


@pytest.mark.parametrize(
    ("name", "count", "chosen"),
    [
        ("laptop", 1, (7,)),  # a performance core, not the last CPU, which is an efficient one
        ("laptop", 2, (5, 7)),  # two cores, not two threads of one
        ("laptop", 4, (1, 3, 5, 7)),
        ("laptop", 6, (10, 11, 12, 13, 14, 15)),  # six alike cores: the efficient ones
        ("laptop", 16, tuple(range(16))),
        ("bare-metal", 2, (14, 15)),
        ("bare-metal", 9, tuple(range(7, 16))),  # more than cores: threads
        ("graviton", 1, (1,)),
        ("azure-runner", 2, (1, 3)),
    ],
)
def test_cpus_of_a_campaign_are_alike_and_apart(
    name: str, count: int, chosen: tuple[int, ...], host: Callable[[str], Path]
) -> None:
    root = host(name)
    assert processors.choose(count, processors.online(root), root) == chosen


def test_two_sockets_are_not_mixed_where_one_will_do(host: Callable[[str], Path]) -> None:
    root = host("two-sockets")
    allowed = processors.online(root) - processors.isolated(root)
    assert processors.choose(2, allowed, root) == (246, 247)
    within = processors.processors(processors.choose(56, allowed, root), root)
    assert {one.package for one in within} == {1}
    assert len({one.core for one in within}) == 56
    across = processors.processors(processors.choose(100, allowed, root), root)
    assert len({one.core for one in across}) == 100


def test_kinds_of_core_are_told_apart_by_frequency_where_nothing_else_tells(
    host: Callable[[str], Path],
) -> None:
    root = host("laptop")
    for name in ("cpu_core", "cpu_atom"):
        (root / f"sys/devices/{name}/cpus").unlink()
    assert processors.choose(2, range(16), root) == (5, 7)


@given(st.frozensets(st.integers(0, 300)))
def test_a_cpu_list_is_read_back(cpus: frozenset[int]) -> None:
    assert processors.parse_list(",".join(map(str, sorted(cpus)))) == cpus


@given(st.text(alphabet="0123456789-, \nx", max_size=12))
def test_no_cpu_list_is_too_odd(text: str) -> None:
    if not any(len(part) > 4 for part in text.replace("-", ",").split(",")):
        processors.parse_list(text)


@pytest.mark.parametrize(
    ("vendor", "product", "inside"),
    [
        ("Amazon EC2", "m7g.metal", False),
        ("Amazon EC2", "c7g.16xlarge", True),
        ("Google", "Google Compute Engine", True),
        ("QEMU", "KVM Virtual Machine", True),
        ("Ampere(R)", "Altra Developer Platform", False),
        ("Apple Inc.", "Apple Virtualization Generic Platform", True),
    ],
)
def test_an_arm64_guest_is_told_by_its_firmware(
    vendor: str, product: str, host: Callable[[str], Path], *, inside: bool
) -> None:
    root = host("graviton")
    write(root, "sys/class/dmi/id/sys_vendor", f"{vendor}\n")
    write(root, "sys/class/dmi/id/product_name", f"{product}\n")
    assert fingerprint.fingerprint(root)["identity"]["virtualised"] is inside


def test_an_arm64_board_that_tells_nothing_is_unknown(host: Callable[[str], Path]) -> None:
    root = host("graviton")
    for name in ("sys_vendor", "product_name"):
        (root / "sys/class/dmi/id" / name).unlink()
    assert fingerprint.fingerprint(root)["identity"]["virtualised"] is None
    write(root, "proc/device-tree/hypervisor/compatible", "linux,kvm\0")
    assert fingerprint.fingerprint(root)["identity"]["virtualised"] is True


def test_a_laptop_plugged_in_is_on_mains(host: Callable[[str], Path]) -> None:
    root = host("laptop")
    write(root, "sys/class/power_supply/AC/online", "1\n")
    found = fingerprint.fingerprint(root)
    assert found["identity"]["power"] == "mains"
    write(root, "sys/class/power_supply/AC/online", "0\n")
    assert differences(found, fingerprint.fingerprint(root)).forbidding == [
        "power differs: mains against battery"
    ]


def test_what_an_older_version_did_not_ask_is_no_difference(host: Callable[[str], Path]) -> None:
    found = fingerprint.fingerprint(host("laptop"))
    older = {"identity": {k: v for k, v in found["identity"].items() if k != "epp"}, "state": {}}
    assert differences(older, found) == ([], [])


OWN = {
    "laptop": "user.slice/user-1000.slice/user@1000.service/app.slice/"
    "app-org.gnome.Terminal.slice/vte-spawn-8a7f1c52-3a04-4a3e-8a0e-5f4f5a2a7f1f.scope",
    "two-sockets": "user.slice/user-0.slice/session-4.scope",
    "wsl2": "",
    "azure-runner": "system.slice/hosted-compute-agent.service",
    "privileged-container": "",
    "lxc": "user.slice/user-0.slice/session-c2.scope",
}


@pytest.mark.parametrize("name", OWN)
def test_the_own_control_group_is_found(name: str, host: Callable[[str], Path]) -> None:
    root = host(name)
    mounts = (root / "proc/self/mountinfo").read_text()
    below = mounts.replace(" /sys/fs/cgroup ", f" {root}/sys/fs/cgroup ")
    found = layout.discover(below, (root / "proc/self/cgroup").read_text())
    assert found.v1 == {}
    assert found.v2 == str(root / "sys/fs/cgroup" / OWN[name])
