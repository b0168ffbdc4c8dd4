"""Every control that isolation asks for, tried from inside real containers."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from runtime import Engine, profiles
from tests.integration.runtime import inside
from tests.integration.runtime.conftest import output

if TYPE_CHECKING:
    from benchmarks.image import Image
    from runtime import Spec

PROGRAM = Path(inside.__file__ or "").read_text()
REFUSED = [name for name in inside.CALLS if name != "clone3"]
EXPECTED_PROFILES = ("default", "hardened")


def own_namespaces() -> dict[str, str]:
    return {entry.name: str(entry.readlink()) for entry in Path("/proc/self/ns").iterdir()}


def look(engine: Engine, spec: Spec) -> dict[str, Any]:
    """What the program inside reports."""
    process = replace(spec.process, args=("python3", "-I", "-S", "-c", PROGRAM))
    status, text = output(engine, replace(spec, process=process))
    assert status == 0, text
    report: dict[str, Any] = json.loads(text)
    return report


@pytest.fixture(scope="module", params=EXPECTED_PROFILES)
def report(
    request: pytest.FixtureRequest, image: Image, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Any]:
    spec = profiles.PROFILES[request.param](rootfs=image.root, args=["true"])
    with Engine(tmp_path_factory.mktemp("state")) as engine:
        return look(engine, spec) | {"profile": request.param}


@pytest.mark.parametrize("name", REFUSED)
def test_call_is_refused(report: dict[str, Any], name: str) -> None:
    assert report["calls"][name] == "EPERM"


def test_clone3_does_not_exist_so_libc_falls_back(report: dict[str, Any]) -> None:
    assert report["calls"]["clone3"] == "ENOSYS"


def test_32_bit_entry_is_refused(report: dict[str, Any]) -> None:
    assert report["int80_getpid"] == "EPERM"


@pytest.mark.parametrize("family", ["alg", "vsock"])
def test_socket_family_is_refused(report: dict[str, Any], family: str) -> None:
    assert report["sockets"][family] == "EPERM"


@pytest.mark.parametrize("path", inside.FILES)
def test_file_cannot_be_opened_for_writing(report: dict[str, Any], path: str) -> None:
    assert report["files"][path] in {"EROFS", "EACCES", "ENOENT"}


@pytest.mark.parametrize("path", inside.MASKED)
def test_path_is_masked(report: dict[str, Any], path: str) -> None:
    assert report["masked"][path] in {"absent", "0 bytes", "0 entries", "EACCES"}


def test_no_block_device_can_be_opened(report: dict[str, Any]) -> None:
    assert set(report["block_device"]) <= {"EPERM", "EACCES", "EROFS"}


def test_devices_are_the_harmless_ones(report: dict[str, Any]) -> None:
    assert report["devices"] == [
        "full", "mqueue", "null", "pts", "random", "shm", "tty", "urandom", "zero",
    ]  # fmt: skip


def test_capability_sets(report: dict[str, Any]) -> None:
    allowed = 0x800405FB if report["profile"] == "default" else 0
    status = report["status"]
    for field in ("CapEff", "CapPrm", "CapBnd"):
        assert int(status[field], 16) == allowed
    assert int(status["CapInh"], 16) == int(status["CapAmb"], 16) == 0


def test_filter_and_no_new_privs_are_on(report: dict[str, Any]) -> None:
    assert report["status"]["Seccomp"] == "2"
    assert report["status"]["NoNewPrivs"] == "1"


def test_only_own_processes_are_visible(report: dict[str, Any]) -> None:
    assert report["pids"] == [1, 2]


def test_no_descriptor_leaks_in(report: dict[str, Any]) -> None:
    # the fourth is the listing's own
    assert report["descriptors"] == [0, 1, 2, 3]


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
        reader = container.exec(["python3", "-I", "-S", "-c", READER, "2"], stdio=(theirs,) * 3)
        os.close(theirs)
        with os.fdopen(ours) as pipe:
            assert pipe.readline() == "reading\n"
            while reader.running:
                with container.exec(["true"]) as process:
                    process.wait(5)
            looks, _, seen = pipe.read().partition(" ")
        assert int(looks) > 20
        assert seen == "[]\n"
