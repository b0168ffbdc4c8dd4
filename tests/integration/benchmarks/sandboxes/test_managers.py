"""Podman on the real kernel where it is installed; docker on a stand-in for its command line."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import runtime
from benchmarks.errors import MeasurementError, NotSupportedError, UnsuitableHostError
from benchmarks.results.records import Resources
from benchmarks.sandboxes import make_testbed, open_sandbox
from benchmarks.sandboxes.base import Setting
from benchmarks.sandboxes.managers import docker_traces
from tests import framework
from tests.framework.external_sandboxes import MEMORY, traces, workload

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.image import Image
    from benchmarks.sandboxes.managers.manager import ManagerSandbox

STAND_IN = Path(framework.__file__).with_name("stand_in_docker.py")


@pytest.fixture(scope="module")
def setting(image: Image) -> Iterator[Setting]:
    state = Path(f"/run/tare-managers-{os.getpid()}")
    yield Setting(
        resources=Resources(cpus=1, cpuset=(max(os.sched_getaffinity(0)),), memory_bytes=MEMORY),
        image_root=image.root,
        image=image,
        state=state,
        logs=state,
        seed=1,
    )
    shutil.rmtree(state, ignore_errors=True)


def manager(name: str, setting: Setting) -> ManagerSandbox:
    for program in name.split(":"):
        if shutil.which(program, path=f"{os.environ['PATH']}:/usr/sbin") is None:
            pytest.skip(f"{program} is not installed")
    return open_sandbox(name, setting)  # type: ignore[return-value]


@pytest.mark.parametrize("name", ["podman:runc", "podman:crun"])
def test_podman_starts_limits_stops_and_leaves_nothing(name: str, setting: Setting) -> None:
    own = sorted(Path("/dev/shm").glob("libpod*")), Path("/var/lib/containers").exists()
    with manager(name, setting) as box:
        helper = box._helper.name
        assert box.info.details["oci_runtime"] == name.partition(":")[2]
        assert box.info.details["per_instance"] == ["conmon"]
        with box.start() as instance:
            inside = workload(instance)
            groups = instance.started.groups
            assert all(helper in str(folder) for folder in groups.values())
            if "memory" in groups:
                limit = (groups["memory"] / "memory.limit_in_bytes").read_text()
                assert limit.strip() == str(MEMORY)
                both = groups["memory"] / "memory.memsw.limit_in_bytes"
                assert not both.exists() or both.read_text().strip() == str(MEMORY)
            assert (inside / "root/etc/passwd").is_file()
            for kind in ("pid", "uts", "mnt", "ipc", "net"):
                ours = Path(f"/proc/self/ns/{kind}").readlink()
                assert (inside / "ns" / kind).readlink() != ours
            done = instance.run(["/bin/busybox", "sh", "-c", "cat; echo $HOME; exit 7"],
                                timeout_s=20, stdin=b"through ")  # fmt: skip
            assert (done.exit_code, done.stdout) == (7, b"through /root\n")
            before = sorted(instance.pids())
            with pytest.raises(MeasurementError, match="did not end within"):
                instance.run(["/bin/busybox", "sleep", "60"], timeout_s=3)
            assert sorted(instance.pids()) == before
            ladder = instance.memory()
            assert ladder["helper_pss_bytes"]
            assert ladder["cgroup_bytes"]
            assert instance.cpu_seconds() > 0
            stamps = instance.stamps
            assert stamps["requested"] < stamps["spawned"] < stamps["main"]
            instance.stop()
            assert instance.stamps["stop_asked"] < instance.stamps["stopped"]
            assert not inside.exists()
        assert box.leftovers() == []
    assert traces(helper) == []
    assert list((setting.state / name.replace(":", ".")).iterdir()) == []
    assert own == (sorted(Path("/dev/shm").glob("libpod*")), Path("/var/lib/containers").exists())


def test_podmans_containers_meet_the_testbed(setting: Setting) -> None:
    with (
        manager("podman:crun", setting) as box,
        make_testbed(["native"], setting) as testbed,
        box.networked(testbed) as end,  # type: ignore[attr-defined]
    ):
        shown = end.instance.run(["/bin/busybox", "ip", "address"], timeout_s=20)
        assert f"inet {end.address}/" in shown.stdout.decode()
        asked = ["/bin/busybox", "wget", "-T", "5", f"http://{testbed.host_address}:9/"]
        assert b"refused" in end.instance.run(asked, timeout_s=20).stderr  # and so, reached
    assert box.leftovers() == []


def test_docker_says_why_it_has_no_network(docker: Path, small: Setting) -> None:
    del docker
    with pytest.raises(NotSupportedError, match="networks are its daemon's to make"):
        opened("docker", small).networked(None)  # type: ignore[attr-defined]


def lives(pid: int) -> bool:
    """Whether a process runs; one that waits for whoever reaps orphans here does not."""
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return False


def wait_for_the_end_of(pid: int) -> bool:
    deadline = time.monotonic() + 10
    while lives(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    return not lives(pid)


@pytest.mark.parametrize("helper_too", [False, True], ids=["harness", "helper-too"])
def test_after_a_kill_nothing_of_podman_is_left(setting: Setting, *, helper_too: bool) -> None:
    program = f"""
import time
from pathlib import Path
from benchmarks.results.records import Resources
from benchmarks.sandboxes import open_sandbox
from benchmarks.sandboxes.base import Setting
resources = Resources(cpus=1, cpuset={setting.resources.cpuset}, memory_bytes={MEMORY})
state = Path({str(setting.state)!r}) / "killed"
setting = Setting(resources, Path({str(setting.image_root)!r}), None, state, state, 1)
with open_sandbox("podman:runc", setting) as box, box.start() as instance:
    print(box._helper.name, box._helper._process.pid, *instance.pids(), flush=True)
    time.sleep(60)
"""
    manager("podman:runc", setting)  # skips where it is not installed
    harness = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE)
    assert harness.stdout is not None
    helper, own, *pids = harness.stdout.readline().decode().split()
    assert len(pids) >= 3  # the init, the workload, conmon
    harness.send_signal(signal.SIGKILL)
    if helper_too:
        os.kill(int(own), signal.SIGKILL)
    harness.wait()
    harness.stdout.close()
    if helper_too:
        folder = setting.state / "killed" / "podman.runc"
        assert wait_for_the_end_of(int(own))
        assert any(f"process {pids[0]} " in line for line in runtime.leftovers(folder))
        runtime.clean(folder)
        assert runtime.leftovers(folder) == []
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        alive = [pid for pid in pids if lives(int(pid))]
        left = list((setting.state / "killed" / "podman.runc").iterdir())
        if not alive and not left and not traces(helper):
            return
        time.sleep(0.1)
    raise AssertionError(f"left: {alive} {left} {traces(helper)}")


@pytest.fixture
def docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A docker command without a daemon: its containers are processes. Yields its log."""
    program = tmp_path / "docker"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -I {STAND_IN} {tmp_path} "$@"\n')
    program.chmod(0o755)
    (tmp_path / "tree" / "bin").mkdir(parents=True)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/docker.sock")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(f"{tmp_path}/docker.sock")
        listening.listen()
        yield tmp_path / "log"


@pytest.fixture
def small(docker: Path, setting: Setting) -> Setting:
    tree = docker.parent / "tree"
    return Setting(setting.resources, tree, None, setting.state, setting.state, 1)


def opened(name: str, setting: Setting) -> ManagerSandbox:
    return open_sandbox(name, setting)  # type: ignore[return-value]


def test_docker_is_called_as_its_users_call_it(docker: Path, small: Setting) -> None:
    with opened("docker:runsc", small) as box:
        helper = box._helper.name
        assert box.info.details["oci_runtime"] == "runsc"
        assert box.info.details["shared"] == ["dockerd", "containerd"]
        with box.start() as instance:
            stamps = instance.stamps
            assert stamps["requested"] < stamps["spawned"] < stamps["main"]
            done = instance.run(["/bin/sh", "-c", "exit 3"], timeout_s=10)
            assert done.exit_code == 3
            instance.stop()
            stamps = instance.stamps
            assert stamps["stopped"] - stamps["stop_asked"] < 500e6  # its books are not in it
        docker.with_name("deaf").touch()
        instance = box.start()
        with pytest.raises(MeasurementError, match="did not stop within 10 s and was killed"):
            instance.stop()
        assert box.leftovers() == []
        docker.with_name("refuse").touch()
        with pytest.raises(MeasurementError, match="no space on this daemon"):
            box.start()
    said = docker.read_text()
    assert f"run --detach --name {helper}-0 " in said
    assert f",dst=/tare-first-byte {helper}:image " in said
    memory = f"--memory {MEMORY}b --memory-swap {MEMORY}b"
    assert f"--network none {memory} --cpus 1 --pids-limit 512 --cpuset-cpus" in said
    assert "--runtime runsc" in said
    *_, listing, last = said.splitlines()
    assert f" ps --all --quiet --filter label=tare.owner={helper}" in listing
    assert last.endswith(f" image rm --force {helper}:image")
    asked = [line for line in said.splitlines() if line != "--version"]
    assert all(line.startswith(f"--host {os.environ['DOCKER_HOST']} ") for line in asked)
    assert list((small.state / "docker.runsc").iterdir()) == []


@pytest.mark.parametrize(("remapped", "mode"), [(False, "600"), (True, "622")])
def test_nobody_else_writes_a_first_byte_to_docker_s_pipe(
    docker: Path, small: Setting, mode: str, *, remapped: bool
) -> None:
    """But where the container's root is a user whom only the daemon knows."""
    if remapped:
        docker.with_name("remapped").touch()
    with opened("docker", small) as box:
        box.start().stop()
    assert docker.with_name("mode").read_text() == mode


def test_docker_removes_nothing_that_it_did_not_make(docker: Path, small: Setting) -> None:
    docker.with_name("taken").touch()
    with pytest.raises(UnsuitableHostError, match="already in use"), opened("docker", small):
        pass
    removed = [line for line in docker.read_text().splitlines() if " rm --force --vol" in line]
    assert removed
    assert all(" --volumes tare-" in line for line in removed)


def test_a_container_of_docker_that_has_ended_is_not_waited_for(
    docker: Path, small: Setting
) -> None:
    with opened("docker", small) as box:
        docker.with_name("mute").touch()
        with pytest.raises(MeasurementError, match="never ran its first instruction") as caught:
            box.start()
        assert caught.value.timed_out
        assert box.leftovers() == []


def test_what_docker_does_not_remove_is_named_and_asked_for_again(
    docker: Path, small: Setting
) -> None:
    with opened("docker", small) as box:
        instance = box.start()
        name = instance.started.name
        docker.with_name("stuck").touch()
        with pytest.raises(MeasurementError, match=f"rm {name}: it ended with status 1"):
            instance.stop()
        assert box.leftovers() == [f"docker container {name}"]
        docker.with_name("stuck").unlink()
    assert list(docker.parent.glob("*.pid")) == []


def test_what_docker_still_has_is_left_over(docker: Path, small: Setting) -> None:
    with opened("docker", small) as box:
        docker.with_name(f"{box._helper.name}-7.pid").write_text("1")
        assert box.leftovers() == [f"docker container {box._helper.name}-7"]
        docker.with_name(f"{box._helper.name}-7.pid").unlink()
        docker.with_name("away").touch()
        assert "did not list (Cannot connect" in box.leftovers()[0]
        docker.with_name("away").unlink()


def test_a_helper_of_docker_that_is_gone_leaves_a_note_for_tare_clean(
    docker: Path, small: Setting
) -> None:
    folder = small.state / "docker"
    with opened("docker", small) as box:
        name, address = box._helper.name, os.environ["DOCKER_HOST"]
        assert docker_traces.leftovers(folder) == []  # it lives
        docker.with_name("away").touch()
    note = folder / f"{name}.daemon"
    assert note.read_text() == address
    (said,) = docker_traces.leftovers(folder)
    assert f"may have left at docker's daemon at {address} (Cannot connect" in said
    docker.with_name("away").unlink()
    assert docker_traces.clean(folder)[-1] == f"note {note}"
    assert list(folder.iterdir()) == []


INSIDE = """
import sys
from benchmarks.errors import MeasurementError
from benchmarks.sandboxes.managers.docker_daemon import refuse_foreign
try:
    refuse_foreign(sys.argv[1])
except MeasurementError as error:
    print(error)
"""
LISTENER = """
import socket, sys
with socket.socket(socket.AF_UNIX) as listening:
    listening.bind(sys.argv[1])
    listening.listen()
    print("listening", flush=True)
    sys.stdin.read()
"""
APART = ("unshare", "--pid", "--fork", "--kill-child")


@pytest.mark.parametrize("apart", ["we", "the-daemon", "nobody"])
def test_a_daemon_that_tells_other_process_ids_is_refused(apart: str, tmp_path: Path) -> None:
    address = str(tmp_path / "docker.sock")
    listener = (sys.executable, "-S", "-c", LISTENER, address)
    asker = (sys.executable, "-c", INSIDE, f"unix://{address}")
    with subprocess.Popen(
        (*(APART if apart == "the-daemon" else ()), *listener),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as daemon:
        assert daemon.stdout is not None
        assert daemon.stdout.readline()
        prefix = APART if apart == "we" else ()
        said = subprocess.run((*prefix, *asker), capture_output=True, text=True, check=True).stdout
        assert ("is in another pid namespace" in said) == (apart != "nobody")


def test_docker_without_a_daemon_is_absent_with_what_to_do(docker: Path, setting: Setting) -> None:
    docker.with_name("away").touch()
    with (
        pytest.raises(
            UnsuitableHostError, match=r"docker's daemon does not answer \(.*\); start it"
        ),
        open_sandbox("docker", setting),
    ):
        pass
    assert list((setting.state / "docker").iterdir()) == []


@pytest.mark.parametrize("name", ["podman", "docker"])
def test_what_is_not_installed_is_absent_with_the_package(
    name: str, setting: Setting, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("benchmarks.sandboxes.kinds.podman.SEARCH_PATH", str(tmp_path))
    with pytest.raises(UnsuitableHostError, match=f"needs {name}, which is not installed; install"):
        open_sandbox(name, setting)
