"""What a bundle says, and what this runtime then does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from runtime import SpecError
from runtime.oci import bundle, parts, writer
from runtime.spec import (
    CapabilitySets,
    CpuAffinity,
    Device,
    DeviceRule,
    Hook,
    HugepageLimit,
    IdMapping,
    IoLimit,
    IoPriority,
    Mount,
    Namespace,
    Resources,
    Rlimit,
    Scheduler,
    Spec,
    User,
)
from tests.unit.runtime.oci.documents import full

BUNDLE = Path("/b")


def parse(document: dict[str, Any]) -> Spec:
    return bundle.parse(json.dumps(document).encode(), BUNDLE)


def small(**sections: Any) -> Spec:
    """A bundle of its least, and the given sections."""
    process = {"args": ["a"], "cwd": "/"} | sections.pop("process", {})
    return parse({"ociVersion": "1.0.2", "root": {"path": "r"}, "process": process, **sections})


def test_every_field_has_its_place() -> None:
    spec = parse(full())
    assert spec.notes == ()
    assert spec.unknown == {}
    assert (spec.root.path, spec.root.readonly, spec.root.upper) == (Path("/b/rootfs"), True, None)
    assert not spec.root.shift_owners
    assert (spec.hostname, spec.domainname, spec.oci_version) == ("box", "example.test", "1.2.1")
    assert spec.annotations == {"com.example.a": "b"}
    process = spec.process
    assert (process.terminal, process.console_size, process.init) == (True, (24, 80), False)
    assert process.user == User(uid=1, gid=2, additional_gids=(5, 6))
    assert (process.umask, process.cwd, process.oom_score_adj) == (63, "/tmp", 10)
    assert process.env == {"PATH": "/bin", "EMPTY": "", "EQUALS": "a=b"}
    assert process.capabilities == ()
    assert process.capability_sets == CapabilitySets(
        bounding=("CAP_CHOWN", "CAP_KILL"),
        effective=("CAP_KILL",),
        permitted=("CAP_CHOWN", "CAP_KILL"),
        inheritable=("CAP_KILL",),
        ambient=("CAP_KILL",),
    )
    assert process.rlimits == (
        Rlimit(type="RLIMIT_NOFILE", soft=64, hard=-1),
        Rlimit(type="RLIMIT_CORE", soft=0, hard=0),
    )
    assert process.scheduler == Scheduler(
        policy="SCHED_BATCH", nice=5, flags=("SCHED_FLAG_RESET_ON_FORK",)
    )
    assert process.io_priority == IoPriority(io_class="IOPRIO_CLASS_BE", priority=7)
    assert process.exec_cpu_affinity == CpuAffinity(initial="0", final="0-3,7")
    own = (IdMapping(0, 1000, 1),)
    assert spec.mounts[2] == Mount(
        destination="/data",
        type="bind",
        source="/srv/data",
        options=("rbind", "rro", "rslave", "ridmap"),
        uid_mappings=own,
        gid_mappings=own,
    )
    assert spec.hooks.prestart == (Hook(path="/bin/a", args=("a", "b"), env=("A=1",), timeout_s=3),)
    assert [hook.path for hook in spec.hooks.poststop] == ["/bin/f", "/bin/g"]


def test_every_field_of_linux_has_its_place() -> None:
    linux = parse(full()).linux
    assert linux.namespaces[1] == Namespace("network", Path("/run/netns/a"))
    assert len(linux.namespaces) == 8
    assert linux.uid_mappings[1] == IdMapping(1, 100_000, 65_536)
    assert linux.time_offsets_ns == {"monotonic": -1_500_000_000, "boottime": 7_000_000_000}
    assert linux.device_nodes == (
        Device(path="/dev/null", type="c", major=1, minor=3, file_mode=0o600, uid=1, gid=2),
    )
    # the bundle's own takes the place of the default one
    assert linux.devices == ("zero", "full", "random", "urandom", "tty")
    assert (linux.cgroups_path, linux.rootfs_propagation, linux.personality) == (
        "/a/b", "slave", "LINUX32",
    )  # fmt: skip
    assert linux.sysctl == {"net.ipv4.ip_forward": "1", "kernel.shmmax": "4096"}
    assert linux.seccomp is None
    assert linux.seccomp_object == full()["linux"]["seccomp"]
    assert (linux.masked_paths, linux.readonly_paths) == (("/proc/kcore",), ("/proc/sys",))
    assert linux.resources == Resources(
        memory_limit_bytes=1_000_000,
        memory_swap_bytes=500_000,
        memory_reservation_bytes=500_000,
        cpu_shares=512,
        cpu_weight=59,
        cpu_quota_us=50_000,
        cpu_period_us=100_000,
        cpu_burst_us=1000,
        cpuset="0-1",
        cpuset_mems="0",
        cpu_idle=False,
        pids_limit=7,
        io_weight=4950,
        io_limits=(
            IoLimit(
                major=8,
                minor=0,
                weight=10_000,
                read_bytes_per_s=1,
                write_bytes_per_s=2,
                read_ops_per_s=3,
            ),
            IoLimit(major=8, minor=16, write_ops_per_s=4),
        ),
        hugepage_limits=(HugepageLimit(page_size="2MB", limit_bytes=4_194_304),),
        devices=(
            DeviceRule(allow=False),
            DeviceRule(allow=True, type="c", major=10, minor=229, access="rw"),
        ),
        unified={"memory.high": "900000"},
    )


def test_the_whole_document_is_written_as_it_was() -> None:
    assert writer.write(parse(full()), BUNDLE) == full()


def test_a_bundle_is_loaded_from_its_directory(tmp_path: Path) -> None:
    (tmp_path / "rootfs").mkdir()
    (tmp_path / "config.json").write_text(json.dumps(full()))
    assert bundle.load(tmp_path).root.path == tmp_path / "rootfs"


def test_who_says_nothing_gets_no_privileges() -> None:
    spec = small()
    assert spec.process.capabilities == ()
    assert spec.process.capability_sets is None
    assert (spec.process.umask, spec.process.user) == (0o022, User())
    assert spec.linux.devices == ("null", "zero", "full", "random", "urandom", "tty")
    assert not spec.process.no_new_privileges  # as it is in OCI


def test_null_and_empty_mean_nothing() -> None:
    spec = small(hostname="", mounts=None, hooks=None, linux={"cgroupsPath": "", "seccomp": None})
    assert spec == small(linux={})


def test_a_misspelt_field_has_no_effect_and_is_said() -> None:
    spec = small(process={"noNewPrivilege": True})
    assert not spec.process.no_new_privileges
    assert spec.unknown == {"process.noNewPrivilege": True}
    (note,) = spec.notes
    assert note.startswith("process.noNewPrivilege: is not known to this runtime and has no effect")
    assert note.endswith("did you mean 'noNewPrivileges'?")


def test_a_capability_that_cannot_be_granted_is_no_error() -> None:
    sets = {
        "permitted": ["CAP_KILL"],
        "inheritable": ["CAP_CHOWN"],
        "effective": ["CAP_KILL", "CAP_CHOWN"],
        "ambient": ["CAP_KILL"],
        "bounding": ["CAP_KIL"],
    }
    spec = small(process={"capabilities": sets})
    assert spec.process.capability_sets == CapabilitySets(
        permitted=("CAP_KILL",), inheritable=("CAP_CHOWN",), effective=("CAP_KILL",)
    )
    assert [note.removeprefix("process.capabilities.") for note in spec.notes] == [
        "bounding: CAP_KIL not granted, for Linux has none of that name; did you mean 'CAP_KILL'?",
        "effective: CAP_CHOWN not granted, for the permitted set does not have it",
        "ambient: CAP_KILL not granted, for the inheritable set does not have it",
    ]


def test_the_last_of_two_variables_counts() -> None:
    spec = small(process={"env": ["A=1", "B=2", "A=3"]})
    assert list(spec.process.env.items()) == [("B", "2"), ("A", "3")]
    assert spec.notes == ("process.env[2]: replaces the A before it",)


@pytest.mark.parametrize(
    ("memory", "limit", "swap"),
    [
        ({"limit": 100, "swap": 100}, 100, 0),
        ({"limit": 100, "swap": 300}, 100, 200),
        ({"limit": 100, "swap": -1}, 100, -1),
        ({"limit": 100, "swap": 0}, 100, None),
        ({"limit": 100}, 100, None),
        ({"limit": -1, "swap": 300}, -1, 300),
        ({"limit": -5, "swap": -5}, -1, -1),
        ({"swap": -1}, None, -1),
        ({"limit": 0}, None, None),
    ],
)
def test_swap_is_told_from_the_sum(
    memory: dict[str, int], limit: int | None, swap: int | None
) -> None:
    read = small(linux={"resources": {"memory": memory}}).linux.resources
    assert (read.memory_limit_bytes, read.memory_swap_bytes) == (limit, swap)


def test_an_unlimited_soft_limit_protects_nothing() -> None:
    read = small(linux={"resources": {"memory": {"reservation": -1}}})
    assert read.linux.resources == Resources()
    assert read.notes == ()


def test_no_tasks_at_all_is_one_task() -> None:
    assert small(linux={"resources": {"pids": {"limit": 0}}}).linux.resources.pids_limit == 1
    assert small(linux={"resources": {"pids": {"limit": -1}}}).linux.resources.pids_limit == -1


def test_shares_beyond_the_scale_are_its_end() -> None:
    read = small(linux={"resources": {"cpu": {"shares": 1 << 40}}}).linux.resources
    assert (read.cpu_shares, read.cpu_weight) == (262_144, 10_000)


def test_any_device_number_may_be_minus_one() -> None:
    rule = {"allow": True, "type": "c", "major": 5, "minor": -1, "access": "r"}
    read = small(linux={"resources": {"devices": [rule]}}).linux.resources.devices
    assert read == (DeviceRule(allow=True, type="c", major=5, access="r"),)


def test_the_type_of_a_device_file_may_stand_in_its_mode() -> None:
    node = {"path": "/dev/f", "type": "c", "major": 1, "minor": 2, "fileMode": 0o020644}
    assert small(linux={"devices": [node]}).linux.device_nodes[0].file_mode == 0o644


@pytest.mark.parametrize(
    ("mount", "found"),
    [
        (
            {"destination": "dev/", "type": "tmpfs"},
            Mount(destination="/dev", type="tmpfs"),
        ),
        (
            {"destination": "//a/./b", "type": "none", "source": "x", "options": ["rbind"]},
            Mount(destination="/a/b", type="bind", source="/b/x", options=("rbind",)),
        ),
        (
            {"destination": "/a", "type": "bind", "source": "/x", "options": ["ro"]},
            Mount(destination="/a", type="bind", source="/x", options=("ro", "bind")),
        ),
    ],
)
def test_mounts_have_one_form(mount: dict[str, Any], found: Mount) -> None:
    read = small(mounts=[mount], linux={"namespaces": [{"type": "mount"}]})
    assert read.mounts == (found,)
    assert len(read.notes) == (not mount["destination"].startswith("/"))


def test_the_recursive_propagation_of_docker_is_taken() -> None:
    assert small(linux={"rootfsPropagation": "rslave"}).linux.rootfs_propagation == "slave"
    assert small(linux={"rootfsPropagation": "runbindable"}).linux.rootfs_propagation == (
        "unbindable"
    )


def test_mappings_beside_a_joined_user_namespace_are_said_to_be_there_already() -> None:
    spec = small(
        linux={
            "namespaces": [{"type": "user", "path": "/proc/1/ns/user"}],
            "uidMappings": [{"containerID": 0, "hostID": 0, "size": 1}],
            "gidMappings": [{"containerID": 0, "hostID": 0, "size": 1}],
        }
    )
    assert "has its mappings already" in spec.notes[0]


@pytest.mark.parametrize(
    ("section", "said"),
    [
        ({"memory": {"kernel": 1}}, True),
        ({"memory": {"kernel": -1}}, False),
        ({"memory": {"useHierarchy": True}}, False),
        ({"cpu": {"realtimeRuntime": 1}}, True),
        ({"blockIO": {"leafWeight": 10}}, True),
        ({"network": {"classID": 0, "priorities": []}}, False),
        ({"rdma": {}}, False),
    ],
)
def test_what_the_kernel_gave_up_is_kept_and_said(
    section: dict[str, Any],
    said: bool,  # noqa: FBT001  # a parameter of the test
) -> None:
    spec = small(linux={"resources": section})
    assert spec.linux.resources == Resources()
    assert bool(spec.notes) is said
    assert spec.unknown


@pytest.mark.parametrize(
    ("section", "limits", "said"),
    [
        ({"swappiness": 0}, Resources(memory_swappiness=0), True),
        ({"kernelTCP": 5}, Resources(memory_tcp_bytes=5), True),
        ({"kernelTCP": -1}, Resources(memory_tcp_bytes=-1), False),
        ({"disableOOMKiller": True}, Resources(memory_oom_kill=False), True),
        ({"disableOOMKiller": False}, Resources(memory_oom_kill=True), False),
    ],
)
def test_what_cgroup_v1_has_alone_is_taken_and_said(
    section: dict[str, Any],
    limits: Resources,
    said: bool,  # noqa: FBT001  # likewise
) -> None:
    spec = small(linux={"resources": {"memory": section}})
    assert spec.linux.resources == limits
    assert bool(spec.notes) is said


def test_a_mount_label_means_nothing_without_selinux(monkeypatch: pytest.MonkeyPatch) -> None:
    for present in (False, True):
        monkeypatch.setattr(Path, "exists", lambda _, there=present: there)
        if present:
            with pytest.raises(SpecError, match="cannot confine by SELinux"):
                small(linux={"mountLabel": "a"})
        else:
            assert small(linux={"mountLabel": "a"}).unknown == {"linux.mountLabel": "a"}


def test_an_option_of_a_file_system_on_a_bind_is_said() -> None:
    mount = {"destination": "/a", "type": "tmpfs", "source": "/b", "options": ["bind", "mode=755"]}
    spec = small(mounts=[mount])
    assert spec.mounts[0].options == ("bind",)
    assert "'mode=755' has no effect on a bind mount" in spec.notes[0]


def test_another_platform_and_a_newer_version_are_said() -> None:
    spec = parse({**full(), "ociVersion": "1.10.0-rc.1", "windows": {}})
    assert [note.partition(":")[0] for note in spec.notes] == ["ociVersion", "windows"]


def test_an_unknown_field_of_a_filter_stays_in_the_filter() -> None:
    document = full()
    document["linux"]["seccomp"]["syscalls"][0]["comment"] = "why"
    spec = parse(document)
    assert spec.linux.seccomp_object == document["linux"]["seccomp"]
    assert spec.unknown == {}
    assert "linux.seccomp.syscalls[0].comment" in spec.notes[0]


def test_a_process_and_resources_can_be_given_alone() -> None:
    document = full()
    process, notes = parts.parse_process(json.dumps(document["process"]))
    assert (process, notes) == (parse(document).process, ())
    limits, notes = parts.parse_resources(
        {**document["linux"]["resources"], "memory": {"swappiness": 5}}
    )
    assert limits.pids_limit == 7
    assert notes[0].startswith("linux.resources.memory.swappiness: ")


@pytest.mark.parametrize(
    ("parser", "text", "path"),
    [
        (parts.parse_process, '{"args": ["a"]}', "process.cwd"),
        (parts.parse_process, '{"args": [], "cwd": "/"}', "process.args"),
        (parts.parse_resources, '{"cpu": {"quota": 1}}', "linux.resources.cpu.quota"),
        (parts.parse_resources, "[]", "config.json"),
    ],
)
def test_a_wrong_part_is_named_as_in_the_whole(parser: Any, text: str, path: str) -> None:
    with pytest.raises(SpecError) as caught:
        parser(text)
    assert caught.value.path == path


@pytest.mark.parametrize("user", [{"uid": 0}, {"uid": 0, "gid": None}])
def test_a_user_without_a_group_has_group_0(user: dict[str, Any]) -> None:
    document = full()
    document["process"]["user"] = user
    assert parse(document).process.user == User(uid=0, gid=0)


@pytest.mark.parametrize("uid", [0, 1])
def test_equal_capability_sets_hold_for_every_user(uid: int) -> None:
    document, names = full(), ["CAP_DAC_OVERRIDE"]
    document["process"]["user"] = {"uid": uid, "gid": 0}
    equal = dict.fromkeys(("bounding", "effective", "permitted"), names)
    document["process"]["capabilities"] = equal
    spec = parse(document)
    assert writer.write(spec, BUNDLE)["process"]["capabilities"] == equal
    sets = spec.process.capability_sets
    held = spec.process.capabilities if sets is None else sets.permitted
    assert held == ("CAP_DAC_OVERRIDE",)
    assert (sets is None) == (uid == 0)
