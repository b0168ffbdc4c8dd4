"""How profiles say what they are, and what lxcfs adds where it runs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from runtime import Resources, Spec, SpecError
from runtime.spec import (
    CapabilitySets,
    CpuAffinity,
    Device,
    DeviceRule,
    Hook,
    Hooks,
    HugepageLimit,
    IdMapping,
    IoLimit,
    IoPriority,
    Landlock,
    Mount,
    Namespace,
    Rlimit,
    Scheduler,
    User,
    lxcfs,
    profiles,
)


@pytest.fixture
def spec() -> Spec:
    return profiles.default(rootfs=Path("/"), args=["true"])


@pytest.mark.parametrize(
    ("section", "change", "line"),
    [
        ("process", {"umask": 0o077}, "process.umask: 0o22 -> 0o77"),
        ("process", {"user": User(uid=5, additional_gids=(6,))}, "process.user.uid: 0 -> 5"),
        ("process", {"env": {}}, "process.env.HOME: '/root' -> absent"),
        ("process", {"capabilities": ()}, "process.capabilities: -CAP_CHOWN, -CAP_DAC_OVERRIDE"),
        ("process", {"capability_sets": CapabilitySets(bounding=("CAP_KILL", "CAP_CHOWN"))},
         "process.capability_sets: None -> bounding=CAP_KILL,CAP_CHOWN"),
        ("process", {"rlimits": (Rlimit(type="RLIMIT_CORE", soft=0, hard=-1),)},
         "process.rlimits: +RLIMIT_CORE 0/-1"),
        ("process", {"scheduler": Scheduler(policy="SCHED_BATCH", nice=5)},
         "process.scheduler: None -> policy=SCHED_BATCH nice=5"),
        ("process", {"io_priority": IoPriority(io_class="IOPRIO_CLASS_IDLE")},
         "process.io_priority: None -> io_class=IOPRIO_CLASS_IDLE"),
        ("process", {"exec_cpu_affinity": CpuAffinity(final="0-1")},
         "process.exec_cpu_affinity: None -> final=0-1"),
        ("process", {"terminal": True, "console_size": (24, 80)},
         "process.console_size: None -> (24, 80)"),
        ("process", {"oom_score_adj": 5}, "process.oom_score_adj: None -> 5"),
        ("root", {"upper": Path("/srv/u")}, "root.upper: 'tmpfs' -> PosixPath('/srv/u')"),
        ("linux", {"landlock": Landlock(read=("/usr", "/lib"), bind_ports=(80,))},
         "linux.landlock: None -> read=/usr,/lib bind_ports=80 scoped=True"),
        ("linux", {"seccomp_object": {"defaultAction": "SCMP_ACT_KILL", "syscalls": [{}, {}]}},
         "linux.seccomp_object: None -> a filter with SCMP_ACT_KILL and 2 rules"),
        ("linux", {"sysctl": {"net.a": "1"}}, "linux.sysctl[\"net.a\"]: absent -> '1'"),
        ("linux", {"time_offsets_ns": {"boottime": -5}},
         "linux.time_offsets_ns.boottime: absent -> -5"),
        ("linux", {"namespaces": (Namespace("pid", Path("/proc/1/ns/pid")),)},
         "linux.namespaces: -pid, -uts, -mount, -ipc, -network, -user, -cgroup, +pid of /proc/1/n"),
        ("linux", {"uid_mappings": (IdMapping(0, 1000, 1),)},
         "linux.uid_mappings: -0..65535 as 1879048192..1879113727, +0..0 as 1000..1000"),
        ("linux", {"device_nodes": (Device(path="/dev/fuse", type="c", major=10, minor=229),)},
         "linux.device_nodes: +/dev/fuse c 10:229 mode=666 owner=0:0"),
        ("linux", {"rootfs_propagation": "slave"}, "linux.rootfs_propagation: None -> 'slave'"),
        ("linux", {"resources": Resources(devices=(DeviceRule(allow=False),
                                                   DeviceRule(allow=True, type="c", major=1)))},
         "linux.resources.devices: +deny a *:* rwm, +allow c 1:* rwm"),
        ("linux", {"resources": Resources(io_limits=(IoLimit(major=8, minor=0, weight=5),))},
         "linux.resources.io_limits: +8:0 weight=5"),
        ("linux", {"resources": Resources(
            hugepage_limits=(HugepageLimit(page_size="2MB", limit_bytes=9),))},
         "linux.resources.hugepage_limits: +2MB 9"),
        ("linux", {"resources": Resources(unified={"io.max": "8:0 rbps=1"})},
         "linux.resources.unified[\"io.max\"]: absent -> '8:0 rbps=1'"),
    ],
)  # fmt: skip
def test_every_field_differs_in_words(
    spec: Spec, section: str, change: dict[str, Any], line: str
) -> None:
    changed = replace(spec, **{section: replace(getattr(spec, section), **change)})
    assert any(text.startswith(line) for text in profiles.diff(changed, spec))


def test_hooks_mounts_and_unknown_fields_differ_in_words(spec: Spec) -> None:
    bind = Mount(
        destination="/d", type="bind", source="/s", options=("ro",),
        uid_mappings=(IdMapping(0, 5, 1),),
    )  # fmt: skip
    changed = replace(
        spec,
        hooks=Hooks(poststop=(Hook(path="/bin/a", args=("a", "b")),)),
        mounts=(*spec.mounts, bind),
        annotations={"a.b": "c"},
        unknown={"linux.x": [1]},
        notes=("not part of the container",),
    )
    assert profiles.diff(changed, spec) == [
        "annotations[\"a.b\"]: absent -> 'c'",
        "hooks.poststop: +/bin/a b",
        "mounts: +/d (bind of /s ro uids 0..0 as 5..5)",
        'unknown["linux.x"]: absent -> [1]',
    ]
    swapped = replace(spec, mounts=spec.mounts[::-1])
    assert profiles.diff(swapped, spec) == ["mounts: another order"]


@pytest.mark.parametrize("name", [*profiles.PROFILES, "native"])
def test_every_profile_describes_itself(name: str) -> None:
    lines = profiles.describe(name)
    assert bool(lines) is (name != "default")
    assert all(len(line.splitlines()) == 1 and ": " in line for line in lines)


def test_an_ablation_of_a_profile_can_be_described() -> None:
    assert "linux.namespaces: -uts" in profiles.describe("default-uts")
    assert "linux.seccomp: 'default' -> None" in profiles.describe("docker-like-seccomp")


@pytest.mark.parametrize("name", ["defautl", "default-magic", "none"])
def test_an_unknown_profile_is_a_sentence(name: str) -> None:
    with pytest.raises(SpecError, match=r"did you mean 'default'|there are|no technology"):
        profiles.describe(name)


def test_lxcfs_shows_what_it_serves_and_the_kernel_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, host = tmp_path / "lxcfs", tmp_path / "host"
    for root, name in ((home, "proc/meminfo"), (host, "proc/meminfo"), (home, "proc/slabinfo"),
                       (host, "proc/uptime")):  # fmt: skip
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    assert lxcfs.mounts(home, host) == ()  # installed, but not running
    monkeypatch.setattr(Path, "is_mount", lambda path: path == home)
    assert lxcfs.mounts(home, host) == (
        Mount(
            destination="/proc/meminfo",
            type="bind",
            source=str(home / "proc/meminfo"),
            options=("bind", "ro", "nosuid", "nodev", "noexec"),
        ),
    )


def test_hardened_shows_the_containers_own_memory_where_lxcfs_runs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    view = Mount(destination="/proc/meminfo", type="bind", source="/l/proc/meminfo")
    monkeypatch.setattr(lxcfs, "mounts", lambda: (view,))
    made = profiles.hardened(rootfs=Path("/"), args=["true"])
    assert made.mounts.index(view) > [mount.destination for mount in made.mounts].index("/proc")
    assert any("+/proc/meminfo (bind of /l/proc/meminfo)" in line
               for line in profiles.describe("hardened"))  # fmt: skip


def test_a_dead_lxcfs_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    def disconnected(_: Path) -> bool:
        raise OSError(107, "Transport endpoint is not connected")

    monkeypatch.setattr(Path, "is_mount", disconnected)
    assert lxcfs.mounts() == ()
