"""Rules for what no bundle can say, and for kernel parameters of joined namespaces."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime import Resources, Spec, SpecError
from runtime.spec import (
    CapabilitySets,
    Device,
    IdMapping,
    IoLimit,
    Landlock,
    Mount,
    Namespace,
    User,
    hints,
    paths,
    profiles,
    sysctl,
    validation,
)
from runtime.spec.mount_options import KNOWN
from runtime.spec.validation import validate


@pytest.fixture
def spec(tmp_path: Path) -> Spec:
    return profiles.default(rootfs=tmp_path, args=["true"])


@pytest.mark.parametrize(
    ("section", "change", "path"),
    [
        ("root", {"upper": "disk"}, "root.upper"),
        ("root", {"upper_size_bytes": 0}, "root.upper_size_bytes"),
        ("process", {"umask": -1}, "process.user.umask"),
        ("process", {"user": User(uid=65_536)}, "process.user.uid"),
        ("process", {"user": User(additional_gids=(1, 65_536))}, "process.user.additionalGids[1]"),
        ("process", {"console_size": (1, 1)}, "process.consoleSize"),
        ("process", {"terminal": True, "console_size": (1, 65_536)}, "process.consoleSize.width"),
        ("process", {"env": {"A": "\ud800"}}, "process.env"),
        ("process", {"capability_sets": CapabilitySets(effective=("CAP_KILL",))},
         "process.capabilities.effective"),
        ("process", {"capability_sets": CapabilitySets(bounding=("CAP_KILLS",))},
         "process.capabilities.bounding[0]"),
        ("linux", {"devices": ("/dev/null",)}, "linux.devices"),
        ("linux", {"devices": ("../etc",)}, "linux.devices"),
        ("linux", {"device_nodes": (Device(path="/dev/a", type="c", major=4096),)},
         "linux.devices[0].major"),
        ("linux", {"device_nodes": (Device(path="/dev/a", type="x"),)}, "linux.devices[0].type"),
        ("linux", {"device_nodes": (Device(path="/dev/a", type="p"),) * 2},
         "linux.devices[1].path"),
        ("linux", {"landlock": Landlock(read=("usr",))}, "linux.landlock.read[0]"),
        ("linux", {"landlock": Landlock(write=("/tmp", "x"))}, "linux.landlock.write[1]"),
        ("linux", {"landlock": Landlock(bind_ports=(65_536,))}, "linux.landlock.bind_ports"),
        ("linux", {"landlock": Landlock(connect_ports=(-1,))}, "linux.landlock.connect_ports"),
        ("linux", {"rootfs_propagation": "rslave"}, "linux.rootfsPropagation"),
        ("linux", {"personality": "BSD"}, "linux.personality.domain"),
        ("linux", {"uid_mappings": (IdMapping(1, 0, 5),)}, "linux.uidMappings"),
        ("linux", {"gid_mappings": ()}, "linux.gidMappings"),
        ("linux", {"resources": Resources(memory_limit_bytes=-2)}, "linux.resources.memory.limit"),
        ("linux", {"resources": Resources(memory_swap_bytes=-2)}, "linux.resources.memory.swap"),
        ("linux", {"resources": Resources(memory_high_bytes=0)}, "linux.resources.memory.high"),
        ("linux", {"resources": Resources(memory_reservation_bytes=-1)},
         "linux.resources.memory.reservation"),
        ("linux", {"resources": Resources(cpus=0.0)}, "linux.resources.cpu.cpus"),
        ("linux", {"resources": Resources(cpus=float("nan"))}, "linux.resources.cpu.cpus"),
        ("linux", {"resources": Resources(cpus=1.0, cpu_quota_us=5000)},
         "linux.resources.cpu.quota"),
        ("linux", {"resources": Resources(cpu_weight=0)}, "linux.resources.cpu.weight"),
        ("linux", {"resources": Resources(cpu_shares=1)}, "linux.resources.cpu.shares"),
        ("linux", {"resources": Resources(io_weight=10_001)}, "linux.resources.blockIO.weight"),
        ("linux", {"resources": Resources(io_limits=(IoLimit(major=-1, minor=0),))},
         "linux.resources.blockIO"),
        ("linux", {"resources": Resources(io_limits=(IoLimit(major=8, minor=0, weight=0),))},
         "linux.resources.blockIO"),
        ("linux", {"resources": Resources(
            io_limits=(IoLimit(major=8, minor=0, read_ops_per_s=0),))}, "linux.resources.blockIO"),
        ("linux", {"resources": Resources(io_limits=(IoLimit(major=8, minor=0),) * 2)},
         "linux.resources.blockIO"),
        ("linux", {"resources": Resources(unified={"memory": "1"})},
         "linux.resources.unified.memory"),
        ("linux", {"cgroup": False, "resources": Resources(unified={"a.b": "1"})},
         "linux.resources.unified"),
    ],
)  # fmt: skip
def test_a_wrong_field_is_named(
    spec: Spec, section: str, change: dict[str, Any], path: str
) -> None:
    changed = replace(spec, **{section: replace(getattr(spec, section), **change)})
    with pytest.raises(SpecError) as caught:
        validate(changed)
    assert caught.value.path == path


def test_a_number_of_no_limit_is_right(spec: Spec) -> None:
    limits = Resources(
        memory_limit_bytes=-1, memory_swap_bytes=-1, memory_high_bytes=-1, cpu_quota_us=-1,
        pids_limit=-1,
    )  # fmt: skip
    validate(replace(spec, linux=replace(spec.linux, resources=limits)))


def test_an_idmapped_mount_needs_ids(spec: Spec) -> None:
    mount = Mount(destination="/a", type="bind", source="/b", options=("idmap",))
    validate(replace(spec, mounts=(mount,)))  # those of the user namespace
    without = replace(profiles.without(spec, "user"), mounts=(mount,))
    with pytest.raises(SpecError, match="or a user namespace"):
        validate(without)


def test_a_joined_namespace_that_is_the_hosts_keeps_its_parameters(spec: Spec) -> None:
    def joining(path: str) -> Spec:
        kept = tuple(entry for entry in spec.linux.namespaces if entry.type != "network")
        return replace(
            spec,
            linux=replace(
                spec.linux,
                namespaces=(*kept, Namespace("network", Path(path))),
                sysctl={"net.ipv4.ip_forward": "1"},
            ),
        )

    validate(joining("/run/netns/none"))  # joining it will say that it is not there
    with pytest.raises(SpecError, match="/proc/self/ns/net is the host's network namespace"):
        validate(joining("/proc/self/ns/net"))


@pytest.mark.parametrize(
    ("name", "parts", "owner"),
    [
        ("net.ipv4.ip_forward", ("net", "ipv4", "ip_forward"), "network"),
        ("net.ipv4.conf.eth0/100.rp_filter", ("net", "ipv4", "conf", "eth0.100", "rp_filter"),
         "network"),
        ("net/ipv4/conf/eth0.100/rp_filter", ("net", "ipv4", "conf", "eth0.100", "rp_filter"),
         "network"),
        ("kernel/shmmax", ("kernel", "shmmax"), "ipc"),
        ("kernel.domainname", ("kernel", "domainname"), "uts"),
        ("fs.mqueue.queues_max", ("fs", "mqueue", "queues_max"), "ipc"),
        ("user.max_net_namespaces", ("user", "max_net_namespaces"), "user"),
        ("kernel.core_pattern", ("kernel", "core_pattern"), None),
        ("vm.swappiness", ("vm", "swappiness"), None),
        ("net", ("net",), None),
        ("", None, None),
        ("net..ip", None, None),
        ("net.//.kernel", None, None),
        ("net/../kernel/core_pattern", None, None),
        ("/net/ipv4", None, None),
    ],
)  # fmt: skip
def test_a_kernel_parameter_has_one_place_and_one_owner(
    name: str, parts: tuple[str, ...] | None, owner: str | None
) -> None:
    assert (sysctl.parts(name), sysctl.owner(name)) == (parts, owner)


@given(st.text("./ab\0", max_size=12))
def test_no_name_leads_out_of_proc_sys(name: str) -> None:
    found = sysctl.parts(name)
    if found is not None:
        inside = Path("/proc/sys", *found)
        assert Path("/proc/sys") in inside.resolve(strict=False).parents
        assert len(inside.parts) == len(found) + 3


@given(st.lists(st.integers(0, 99) | st.text(min_size=1, max_size=8), max_size=5))
def test_a_json_path_can_be_taken_apart(tokens: list[str | int]) -> None:
    path = ""
    for token in tokens:
        path = f"{path}[{token}]" if isinstance(token, int) else paths.member(path, token)
    assert paths.split(path) == tokens


def test_the_nearest_word_is_the_hint() -> None:
    assert hints.nearest("nosiud", KNOWN) == "nosuid"
    assert hints.nearest("zzzzzz", KNOWN) is None
    assert "a number of more than 54 digits" in hints.short(10**5000)
    assert len(hints.short("x" * 1000)) == 60


def test_a_check_looks_at_nothing_of_the_host(spec: Spec) -> None:
    gone = replace(spec, root=replace(spec.root, path=Path("/nonexistent")))
    validation.check(gone)
    with pytest.raises(SpecError, match="is not a directory"):
        validate(gone)
