"""An external instance over processes of this test: its CPU time, its end, its commands."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from benchmarks.errors import MeasurementError
from benchmarks.sandboxes import limits
from benchmarks.sandboxes.external.instance import ExternalInstance, Started
from runtime.cgroups import usage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

SHIM = """
import subprocess, sys
burn = "import time\\nwhile time.process_time() < 0.3: pass"
subprocess.run([sys.executable, "-S", "-c", burn])
print("reaped", flush=True)
sys.stdin.read()
"""


@contextlib.contextmanager
def shim() -> Iterator[subprocess.Popen[str]]:
    """A process that has reaped one which burnt 0.3 s, as containerd's shim does after an exec."""
    with subprocess.Popen(
        [sys.executable, "-S", "-c", SHIM],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "reaped\n"
        yield process


class Sandbox:
    """What an instance asks of the sandbox that started it.

    Args:
        begin: What a command does before it runs out of time.
    """

    name = "docker"

    def __init__(self, begin: Callable[[], None] = lambda: None) -> None:
        self._begin = begin

    def execute(self, *_: object, **__: object) -> None:
        self._begin()
        raise MeasurementError("it did not end within 1 s", timed_out=True)


@pytest.fixture
def groups(tmp_path: Path) -> dict[str, Path]:
    """A control group of version 2 as its files look: 300 ms of CPU time, no process."""
    (tmp_path / "cpu.stat").write_text("usage_usec 300000\n")
    (tmp_path / "cgroup.procs").write_text("")
    return {"unified": tmp_path}


def instance(
    groups: dict[str, Path], *services: int, sandbox: Sandbox | None = None
) -> ExternalInstance:
    pid = os.getpid()
    stamps = {"requested": 1, "main": 2}
    started = Started("one", pid, (os.pidfd_open(pid),), stamps, groups, services)
    return ExternalInstance(sandbox or Sandbox(), started)  # type: ignore[arg-type]


def test_what_a_shim_has_reaped_is_not_counted_beside_the_group(groups: dict[str, Path]) -> None:
    with shim() as process:
        used = instance(groups, process.pid).cpu_seconds()
        own = usage.own_cpu_s([process.pid])
        reaped = usage.processes_cpu_s([process.pid])
    assert own is not None
    assert used == pytest.approx(0.3 + own)
    assert reaped >= own + 0.25  # it was there to be counted twice


def test_the_cpu_time_is_unknown_once_a_monitor_has_ended(groups: dict[str, Path]) -> None:
    with shim() as process:
        watched = instance(groups, process.pid)
        assert watched.cpu_seconds() is not None
    assert watched.cpu_seconds() is None


def test_a_command_that_is_given_up_ends_inside_too(monkeypatch: pytest.MonkeyPatch) -> None:
    with subprocess.Popen(["sleep", "60"]) as idle, subprocess.Popen(["sleep", "60"]) as hung:
        inside = [idle.pid]
        monkeypatch.setattr(usage, "namespace_pids", lambda _: inside)
        sandbox = Sandbox(lambda: inside.append(hung.pid))
        with pytest.raises(MeasurementError, match="did not end"):
            instance({}, sandbox=sandbox).run(["/bin/sleep"], timeout_s=1)
        assert hung.wait(60) == -signal.SIGKILL
        assert idle.poll() is None
        idle.kill()


def test_of_the_hosts_own_namespace_nobody_is_inside() -> None:
    assert usage.namespace_pids(os.getpid()) == []


class Stopping(Sandbox):
    """One whose instances are processes; it may kill by itself, as a manager's ``stop`` does."""

    def __init__(self, *, kills: bool = False) -> None:
        super().__init__()
        self._kills = kills
        self.removed = 0

    @contextlib.contextmanager
    def terminate(self, started: Started) -> Iterator[None]:
        if self._kills:
            os.kill(started.pid, signal.SIGKILL)
        yield None

    def was_killed(self, _: Started) -> bool:
        return self._kills

    def remove(self, _: Started) -> None:
        self.removed += 1


@pytest.mark.parametrize("kills", [True, False], ids=["the-manager", "we"])
def test_a_stop_that_took_a_kill_is_a_failure_and_removes_all_the_same(
    monkeypatch: pytest.MonkeyPatch, *, kills: bool
) -> None:
    monkeypatch.setattr(limits, "STOP_GRACE_S", 0.1)
    sandbox = Stopping(kills=kills)
    with subprocess.Popen(["sleep", "60"]) as process:
        started = Started("one", process.pid, (os.pidfd_open(process.pid),), {}, {})
        stopped = ExternalInstance(sandbox, started)  # type: ignore[arg-type]
        with pytest.raises(MeasurementError, match="was killed") as caught:
            stopped.stop()
        assert process.wait(60) == -signal.SIGKILL
    assert caught.value.timed_out
    assert sandbox.removed == 1
    stopped.stop()
    assert sandbox.removed == 1
