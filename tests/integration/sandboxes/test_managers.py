"""Podman on the real kernel where it is installed; docker on a stand-in for its command line."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import runtime
from benchmarks.errors import MeasurementError, UnsuitableHostError
from benchmarks.records import Resources
from benchmarks.sandboxes import open_sandbox
from benchmarks.sandboxes.base import Setting
from tests.integration.sandboxes.test_peers import MEMORY, traces, workload

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.image import Image
    from benchmarks.sandboxes.managers import ManagerSandbox

STAND_IN = Path(__file__).with_name("stand_in_docker.py")


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
from benchmarks.records import Resources
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
def docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A docker command without a daemon: its containers are processes. Returns its log."""
    program = tmp_path / "docker"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -I {STAND_IN} {tmp_path} "$@"\n')
    program.chmod(0o755)
    (tmp_path / "tree" / "bin").mkdir(parents=True)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    return tmp_path / "log"


def test_docker_is_called_as_its_users_call_it(docker: Path, setting: Setting) -> None:
    small = Setting(
        setting.resources, docker.parent / "tree", None, setting.state, setting.state, 1
    )
    with open_sandbox("docker:runsc", small) as box:
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
        with pytest.raises(MeasurementError, match="did not stop within 2 s and was killed"):
            instance.stop()
        assert box.leftovers() == []
        docker.with_name("refuse").touch()
        with pytest.raises(MeasurementError, match="no space on this daemon"):
            box.start()
    said = docker.read_text()
    assert "run --detach --name docker.runsc-" in said
    assert f"--network none --memory {MEMORY}b --cpus 1 --pids-limit 512 --cpuset-cpus" in said
    assert "--runtime runsc" in said
    assert " image rm --force tare-" in said.splitlines()[-1]
    asked = [line for line in said.splitlines() if line != "--version"]
    assert all(line.startswith("--host unix:///var/run/docker.sock ") for line in asked)
    assert list((setting.state / "docker.runsc").iterdir()) == []


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
    monkeypatch.setattr("benchmarks.sandboxes.podman.SEARCH", str(tmp_path))
    with pytest.raises(UnsuitableHostError, match=f"needs {name}, which is not installed; install"):
        open_sandbox(name, setting)
