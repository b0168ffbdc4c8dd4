"""Every control that isolation asks for, tried from inside real containers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from runtime import Engine
from runtime.spec import User, capabilities, masks, profiles
from runtime.spec.masks import expand
from tests.framework import inside_container
from tests.integration.runtime.conftest import output

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.image import Image
    from runtime import Spec

#: keyctl(KEYCTL_GET_KEYRING_ID, KEY_SPEC_SESSION_KEYRING, 1)
KEYRING = "import ctypes; keyring = lambda: ctypes.CDLL(None).syscall(250, 0, -3, 1)"

PROGRAM = Path(inside_container.__file__ or "").read_text()
EXPECTED_PROFILES = ("default", "hardened")
Report = dict[str, Any]


def own_namespaces() -> dict[str, str]:
    return {entry.name: str(entry.readlink()) for entry in Path("/proc/self/ns").iterdir()}


def look(engine: Engine, spec: Spec, *how: str) -> Report:
    """What the program inside reports."""
    process = replace(spec.process, args=("python3", "-I", "-S", "-c", PROGRAM, *how))
    status, text = output(engine, replace(spec, process=process))
    assert status == 0, text
    report: Report = json.loads(text)
    return report


@pytest.fixture(scope="module", params=EXPECTED_PROFILES)
def report(
    request: pytest.FixtureRequest, image: Image, tmp_path_factory: pytest.TempPathFactory
) -> Report:
    spec = profiles.PROFILES[request.param](rootfs=image.root, args=["true"])
    with Engine(tmp_path_factory.mktemp("state")) as engine:
        return look(engine, spec, "all") | {"profile": request.param}


def refused(*calls: str) -> Callable[[Report], bool]:
    """The container's calls fail with EPERM."""
    return lambda report: {report["calls"][name] for name in calls} == {"EPERM"}


def shut(*paths: str) -> Callable[[Report], bool]:
    """The files cannot be opened for writing, or do not exist."""
    return lambda report: {report["files"][p] for p in paths} <= {"EROFS", "EACCES", "ENOENT"}


def masked(*paths: str) -> Callable[[Report], bool]:
    """Nothing is to be seen there."""
    nothing = {"absent", "0 bytes", "0 entries", "EACCES"}
    return lambda report: {report["masked"][path] for path in paths} <= nothing


def mounted(point: str, kind: str, *options: str) -> Callable[[Report], bool]:
    """A file system is mounted there, with these options at least."""
    return lambda report: {kind, *options} <= set(report["mounts"][point])


def only_harmless(report: Report) -> bool:
    """What opens for writing is the container's own devices, and what is masked by one of them."""
    devices = [f"/dev/{name}" for name in ("full", "null", "pts/ptmx", "random", "urandom", "zero")]
    masked = masks.HARDENED if report["profile"] == "hardened" else masks.DEFAULT
    return set(report["writable"]) <= {*devices, *expand(masked)}


_MOUNTS = ("mount", "umount2", "pivot_root", "mount_setattr", "open_tree", "move_mount")
_CONTEXTS = ("fsopen", "fsconfig", "fsmount", "fspick")
#: What must not work, and what must be in place, tried from inside; by the words of the design.
CONTROLS: dict[str, Callable[[Report], bool]] = {
    "mounting, by the old calls and the new": refused(*_MOUNTS, *_CONTEXTS),
    "entering a namespace": refused("setns"),
    **{
        f"unsharing: {name}": refused(f"unshare_{name}")
        for name in (*inside_container.NAMESPACES, "time")
    },
    **{f"cloning into: {name}": refused(f"clone_{name}") for name in inside_container.NAMESPACES},
    "clone3 does not exist, so libc falls back": lambda r: r["calls"]["clone3"] == "ENOSYS",
    **{
        f"no device can be made and opened: {name}": lambda r, name=name: (
            set(r["made_devices"][name]) <= {"EPERM", "EACCES", "EROFS"}
        )
        for name in inside_container.DEVICES
    },
    "programs in the kernel": refused("bpf", "perf_event_open"),
    "user fault handling": refused("userfaultfd"),
    "io_uring": refused("io_uring_setup", "io_uring_enter", "io_uring_register"),
    "keys": refused("keyctl", "add_key", "request_key"),
    "another kernel": refused("kexec_load", "kexec_file_load", "reboot"),
    "kernel modules": refused("init_module", "finit_module", "delete_module"),
    "files by handle": refused("name_to_handle_at", "open_by_handle_at"),
    "others' descriptors": refused("pidfd_getfd"),
    "others' memory advice": refused("process_madvise"),
    "quotas": refused("quotactl", "quotactl_fd"),
    "swap, accounting, the clock, the log, ports": refused(
        "swapon", "acct", "settimeofday", "syslog", "iopl", "ioperm", "vhangup"
    ),
    "the kernel's cryptography by socket": lambda r: r["sockets"]["alg"] == "EPERM",
    "sockets to hypervisors": lambda r: r["sockets"]["vsock"] == "EPERM",
    "magic system requests": shut("/proc/sysrq-trigger"),
    "core dumps to a program": shut("/proc/sys/kernel/core_pattern"),
    "the module loader": shut("/proc/sys/kernel/modprobe"),
    "binary formats": shut("/proc/sys/fs/binfmt_misc/register"),
    "the hotplug helper": shut("/sys/kernel/uevent_helper"),
    "dumps of privileged programs": shut("/proc/sys/fs/suid_dumpable"),
    "other switches of the host": shut(
        "/proc/sys/vm/panic_on_oom", "/proc/irq/default_smp_affinity", "/sys/power/state"
    ),
    "release agents": shut("/sys/fs/cgroup/release_agent", "/sys/fs/cgroup/memory/release_agent"),
    "control groups": shut("/sys/fs/cgroup/cgroup.procs"),
    "nothing else opens for writing": only_harmless,
    "processes of the host are not visible": lambda r: r["pids"] == [1, 2],
    "the 32-bit entry": lambda r: set(r["calls_32"].values()) == {"EPERM"},
    "the x32 entry": refused("x32_getpid", "x32_mount", "x32_bpf", "x32_execve"),
    "inheritable and ambient capabilities": lambda r: (
        int(r["status"]["CapInh"], 16) == int(r["status"]["CapAmb"], 16) == 0
    ),
    "effective, permitted and bounding capabilities": lambda r: (
        {int(r["status"][name], 16) for name in ("CapEff", "CapPrm", "CapBnd")}
        == {0x800405FB if r["profile"] == "default" else 0}
    ),
    **{f"masked: {path}": masked(path) for path in inside_container.MASKED},
    **{
        f"read-only: {path}": lambda r, path=path: r["readonly"][path] in {"EROFS", "ENOENT"}
        for path in inside_container.READONLY
    },
    "the mount of proc": mounted("/proc", "proc", "nosuid", "noexec", "nodev"),
    "the mount of sysfs": mounted("/sys", "sysfs", "nosuid", "noexec", "nodev", "ro"),
    "the mount of devices": mounted("/dev", "tmpfs", "nosuid", "nodev", "mode=755", "size=65536k"),
    "the mount of terminals": mounted(
        "/dev/pts", "devpts", "nosuid", "noexec", "mode=620", "ptmxmode=666", "max=1024"
    ),
    "the mount of shared memory": mounted(
        "/dev/shm", "tmpfs", "nosuid", "noexec", "nodev", "size=65536k"
    ),
    "the mount of queues": mounted("/dev/mqueue", "mqueue", "nosuid", "noexec", "nodev"),
    "nodev in the root": mounted("/", "overlay", "nodev"),
    "devices are the harmless ones": lambda r: r["devices"] == [
        "full", "mqueue", "null", "pts", "random", "shm", "tty", "urandom", "zero",
    ],
    "the host's devices keep their mode": lambda r: set(r["changed_devices"].values()) == {"EROFS"},
    "the filter": lambda r: r["status"]["Seccomp"] == "2",
    "no new privileges": lambda r: r["status"]["NoNewPrivs"] == "1",
    "no descriptor leaks in": lambda r: r["descriptors"] == [0, 1, 2, 3],  # of the listing itself
}  # fmt: skip


@pytest.mark.parametrize("name", CONTROLS)
def test_control(report: Report, name: str) -> None:
    assert CONTROLS[name](report)


def test_every_call_is_tried_by_some_control(report: Report) -> None:
    untried = [name for name, said in report["calls"].items() if said not in {"EPERM", "ENOSYS"}]
    assert untried == []


def test_tasks_are_limited(engine: Engine, image: Image) -> None:
    with engine.run(profiles.default(rootfs=image.root, args=["sleep", "100"])) as container:
        statistics = container.statistics()
        assert statistics is not None
        assert statistics.pids is not None
        assert statistics.pids.limit == profiles.PIDS_LIMIT


def test_the_session_keyring_is_its_own(engine: Engine, image: Image) -> None:
    script = f"{KEYRING}; print(keyring())"
    unfiltered = profiles.without(
        profiles.default(rootfs=image.root, args=["python3", "-I", "-S", "-c", script]), "seccomp"
    )
    ours = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    ).stdout
    status, theirs = output(engine, unfiltered)
    assert status == 0
    assert int(theirs) > 0
    assert theirs != ours


def test_network_is_loopback_alone(report: dict[str, Any]) -> None:
    assert report["links"] == ["lo"]


def test_root_inside_is_nobody_outside(report: dict[str, Any]) -> None:
    inside_id, outside_id, count = map(int, report["uid_map"])
    assert (inside_id, count) == (0, 65536)
    assert outside_id >= 1 << 30
    # the image's owners are shifted along with it
    assert report["owner"] == 0


def test_environment_is_what_was_asked_for(report: dict[str, Any]) -> None:
    assert set(report["environment"]) <= {"PATH", "HOME", "LANG", "LC_CTYPE"}


def test_init_is_no_file_of_the_host(report: dict[str, Any]) -> None:
    assert report["exe"].startswith("/memfd:init")


def test_every_namespace_is_its_own(report: dict[str, Any]) -> None:
    wanted = {"pid", "uts", "mnt", "ipc", "net", "user", "cgroup"}
    if report["profile"] == "hardened":
        wanted.add("time")
    for name in wanted:
        assert report["namespaces"][name] != own_namespaces()[name], name


def test_hardened_hides_uptime_and_refuses_writes(report: dict[str, Any]) -> None:
    if report["profile"] == "hardened":
        assert report["uptime"] < 60
        assert report["root_writable"] == "EROFS"
    else:
        assert report["root_writable"] == "ok"


@pytest.mark.parametrize("technology", profiles.TECHNOLOGIES)
def test_each_ablation_runs_and_opens_what_it_should(
    engine: Engine, spec: Spec, technology: str
) -> None:
    seen = look(engine, profiles.without(spec, technology))
    host = own_namespaces()
    opened = {
        "pid": len(seen["pids"]) > 2,
        "uts": seen["namespaces"]["uts"] == host["uts"],
        "mnt": "kmsg" in seen["devices"],
        "ipc": seen["namespaces"]["ipc"] == host["ipc"],
        "net": seen["namespaces"]["net"] == host["net"],
        "user": int(seen["uid_map"][1]) == 0,
        "cgroup": seen["namespaces"]["cgroup"] == host["cgroup"],
        "seccomp": seen["status"]["Seccomp"] == "0",
        "capabilities": int(seen["status"]["CapEff"], 16) > 0x800405FB,
        "masks": seen["masked"]["/proc/interrupts"] != "0 bytes",
        "no_new_privs": seen["status"]["NoNewPrivs"] == "0",
    }
    assert opened.pop(technology)
    # what else opens with it is the host's file system that stands in, nothing more
    companions = {"mnt": {"masks", "pid"}, "masks": set(), "pid": set()}.get(technology, set())
    assert {name for name, is_open in opened.items() if is_open} <= companions


#: Tries to open what every process inside executes and has open, while others are executed.
READER = """
import os, sys, time
def ours(name, fd):
    if os.fstat(fd).st_rdev == os.makedev(1, 3):
        return True  # the null device is standard input where none was given
    try:
        return os.path.samestat(os.stat(name), os.fstat(fd))
    except OSError:
        return False
seen, looks, end = set(), 0, time.monotonic() + float(sys.argv[1])
print("reading", flush=True)
while time.monotonic() < end:
    for pid in os.listdir("/proc"):
        if not pid.isdigit() or int(pid) in (1, os.getpid()):
            continue
        looks += 1
        for what in ("exe", "cwd", "root", "fd"):
            try:
                if what == "fd":
                    found = [f"/proc/{pid}/fd/{n}" for n in os.listdir(f"/proc/{pid}/fd")]
                else:
                    found = [f"/proc/{pid}/{what}"]
            except OSError:
                continue
            for path in found:
                try:
                    name = os.readlink(path)
                    fd = os.open(path, os.O_PATH)
                except OSError:
                    continue
                # pipes, sockets and the like are not anywhere in a file system
                if name.startswith("/") and not ours(name, fd):
                    seen.add((what, name))
                os.close(fd)
print(looks, sorted(seen))
"""


@pytest.mark.parametrize("profile", ["docker-like", "default", "bare"])
def test_a_process_being_executed_shows_nothing_of_the_host(
    engine: Engine, image: Image, profile: str
) -> None:
    spec = profiles.PROFILES[profile](rootfs=image.root, args=["sleep", "1000"])
    with engine.run(spec) as container:
        ours, theirs = os.pipe()
        reader = container.exec(["python3", "-I", "-S", "-c", READER, "1"], stdio=(theirs,) * 3)
        os.close(theirs)
        with os.fdopen(ours) as pipe:
            assert pipe.readline() == "reading\n"
            while reader.running:
                with container.exec(["true"]) as process:
                    process.wait(5)
            looks, _, seen = pipe.read().partition(" ")
        assert int(looks) > 20
        assert seen == "[]\n"


#: Prints the privileges of every process that is born inside while it looks: it may trace them all.
WATCHER = """
import os, sys, time
seen, looks, end = set(), 0, time.monotonic() + 60
print("watching", flush=True)
while looks < int(sys.argv[1]) and time.monotonic() < end:
    for pid in os.listdir("/proc"):
        if not pid.isdigit() or int(pid) in (1, os.getpid()):
            continue
        try:
            with open(f"/proc/{pid}/status") as file:
                status = dict(line.split(":", 1) for line in file)
        except OSError:
            continue
        looks += 1
        seen.add((int(status["CapPrm"], 16), int(status["CapBnd"], 16), *status["Uid"].split()))
print(looks, sorted(seen))
"""


@pytest.mark.parametrize("filtered", [True, False])
@pytest.mark.parametrize("no_new_privileges", [True, False])
def test_a_process_being_executed_has_nothing_that_a_tracer_could_use(
    engine: Engine, image: Image, *, no_new_privileges: bool, filtered: bool
) -> None:
    spec = profiles.docker_like(rootfs=image.root, args=["sleep", "1000"])
    held = ("CAP_CHOWN", "CAP_SYS_PTRACE")
    linux = spec.linux if filtered else replace(spec.linux, seccomp=None)
    process = replace(
        spec.process, capabilities=held, no_new_privileges=no_new_privileges, user=User(uid=7)
    )
    mask = capabilities.mask(held)
    with engine.run(replace(spec, process=process, linux=linux)) as container:
        ours, theirs = os.pipe()
        watcher = container.exec(["python3", "-I", "-S", "-c", WATCHER, "50"], stdio=(theirs,) * 3)
        os.close(theirs)
        with os.fdopen(ours) as pipe:
            assert pipe.readline() == "watching\n"
            while watcher.running:
                with container.exec(["true"]) as process_inside:
                    process_inside.wait(5)
            looks, _, seen = pipe.read().partition(" ")
        assert int(looks) >= 50
        assert seen == f"{[(0, mask, *'7777')]}\n"
