"""Docker and podman as far as no daemon, no root and no kernel is needed."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest

from benchmarks import sandboxes
from benchmarks.errors import UnknownSandboxError
from benchmarks.results.records import Resources
from benchmarks.sandboxes.managers import docker_traces, manager
from runtime.recovery import record

if TYPE_CHECKING:
    from pathlib import Path

GONE, ALIVE = "tare-0123456789ab", "tare-ba9876543210"
DOCKER = """#!/bin/sh
echo "$@" >> {log}
case "$3 $*" in
ps*owner={gone}*) echo {gone}-0 ;;
ps*) echo {alive}-0 ;;
images*owner={gone}*) echo {gone}:image ;;
esac
"""


@pytest.mark.parametrize("name", ["podman", "podman:runc", "podman:my_runtime", "docker:runsc"])
def test_a_manager_can_be_told_its_runtime(name: str) -> None:
    assert sandboxes.find(name).name == name.partition(":")[0]


@pytest.mark.parametrize("name", ["podman:", "docker:../runc", "podman:crun:no-cgroup"])
def test_other_names_are_unknown(name: str) -> None:
    with pytest.raises(UnknownSandboxError):
        sandboxes.find(name)


def test_both_managers_are_given_the_campaigns_limits() -> None:
    said = manager.run_options(Resources(cpus=2, cpuset=(4, 5), memory_bytes=96 << 20))
    pairs = dict(zip(said[::2], said[1::2], strict=True))
    assert pairs["--network"] == "none"
    assert pairs["--memory"] == f"{96 << 20}b"
    assert pairs["--memory-swap"] == pairs["--memory"]  # of both: no swap space
    assert pairs["--cpus"] == "2"
    assert pairs["--cpuset-cpus"] == "4,5"
    assert pairs["--pids-limit"] == "512"


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A state folder in which one helper has ended and one lives, and a docker that knows both."""
    program = tmp_path / "bin" / "docker"
    program.parent.mkdir()
    program.write_text(DOCKER.format(log=tmp_path / "log", gone=GONE, alive=ALIVE))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    folder = tmp_path / "docker"
    for helper in (GONE, ALIVE):
        (folder / helper).mkdir(parents=True)
        os.mkfifo(folder / f"{helper}-0.fifo")
        (folder / f"{helper}.daemon").write_text("unix:///of/that/time.sock")
    record.write(folder / ALIVE, os.getpid(), {})
    (folder / GONE / "engine.json").write_text(json.dumps({"pid": 2**22, "started": 1}))
    return folder


def test_what_a_dead_helper_left_at_the_daemon_is_named_and_removed(
    state: Path, tmp_path: Path
) -> None:
    named = docker_traces.leftovers(state)
    ours = [f"{GONE}-0.fifo", f"{GONE}-0", f"{GONE}:image", f"{GONE}.daemon"]
    assert [line.split("/")[-1].split(" ")[-1] for line in named] == ours
    assert "rm --force" not in (tmp_path / "log").read_text()
    assert docker_traces.clean(state) == named
    log = (tmp_path / "log").read_text()
    assert f"--host unix:///of/that/time.sock rm --force --volumes {GONE}-0\n" in log
    assert f"image rm --force {GONE}:image\n" in log
    assert ALIVE not in log  # its helper lives
    assert f"label=tare.state={state.resolve()}" in log
    assert not list(state.glob(f"{GONE}[-.]*"))
    assert len(list(state.glob(f"{ALIVE}[-.]*"))) == 2


def test_without_docker_there_is_nothing_to_clean(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    (tmp_path / "docker").mkdir()
    assert docker_traces.clean(tmp_path / "docker") == []
