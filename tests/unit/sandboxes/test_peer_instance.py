"""A peer's instance over processes of this test: its CPU time, its end, what is left of commands."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from benchmarks.sandboxes.peers import PeerInstance, Started
from runtime import usage

if TYPE_CHECKING:
    from collections.abc import Iterator
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
    """What an instance asks of the sandbox that started it."""

    name = "docker"


@pytest.fixture
def groups(tmp_path: Path) -> dict[str, Path]:
    """A control group of version 2 as its files look: 300 ms of CPU time, no process."""
    (tmp_path / "cpu.stat").write_text("usage_usec 300000\n")
    (tmp_path / "cgroup.procs").write_text("")
    return {"unified": tmp_path}


def instance(groups: dict[str, Path], *services: int) -> PeerInstance:
    started = Started("one", os.getpid(), (), {"requested": 1, "main": 2}, groups, services)
    return PeerInstance(Sandbox(), started)  # type: ignore[arg-type]


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
