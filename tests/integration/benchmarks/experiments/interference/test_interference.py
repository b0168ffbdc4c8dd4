"""Aggressors beside victims in real containers; they end with who started them."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

import runtime
from benchmarks.experiments import covert_channels, interference
from benchmarks.sandboxes.kinds.container import ContainerInstance
from benchmarks.stats import estimators
from runtime.spec import profiles

if TYPE_CHECKING:
    from benchmarks.image import Image


def test_two_containers_on_one_cpu_slow_each_other_down_and_are_charged(image: Image) -> None:
    cpu = max(psutil.Process().cpu_affinity() or [0])
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        engine = stack.enter_context(runtime.Engine(state=Path(folder), affinity={cpu}))
        limits = runtime.Resources(cpus=1.0, memory_limit_bytes=256 << 20)
        spec = profiles.default(
            rootfs=image.root, args=["/bin/busybox", "sleep", "1000"], resources=limits
        )
        ends = []
        for _ in range(2):
            container = stack.enter_context(engine.run(spec))
            stack.callback(container.kill)
            ends.append(covert_channels.end("container", ContainerInstance(container, {})))
        (found,) = interference.ordeals(*ends, 7, victims=["cpu"], aggressors=["cpu"])
        (account,) = interference.accounts(ends[1], ["cpu"], rounds=2)
    assert found.error is None
    slowed = estimators.ratio(found.pairs)
    assert slowed.estimate is not None
    assert slowed.estimate > 1
    if account.error and "cannot be seen from here" in account.error:
        pytest.skip(f"not here: {account.error}")  # in a pid namespace of its own
    assert account.error is None
    assert all(charged is not None and charged > 0 for charged in account.charged_s)


PROGRAM = """
import os, signal, sys, threading, time
from pathlib import Path
import runtime
from benchmarks.experiments import covert_channels as channels
from benchmarks.experiments import interference
from benchmarks.image import build
from benchmarks.sandboxes.kinds.container import ContainerInstance
from runtime import profiles
spec = profiles.default(rootfs=build().root, args=["/bin/busybox", "sleep", "1000"])
engine = runtime.Engine(state=Path(sys.argv[1]))
end = channels.end("container", ContainerInstance(engine.run(spec), {}))
attack = lambda: list(interference.accounts(end, ["fork"], rounds=6))
threading.Thread(target=attack, daemon=True).start()
time.sleep(end.lead_s + 1.5)
print(*end.instance.pids(), flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_an_aggressor_dies_with_the_harness(image: Image) -> None:
    del image
    with tempfile.TemporaryDirectory() as folder:
        killed = subprocess.run(
            [sys.executable, "-c", PROGRAM, folder], capture_output=True, text=True, check=False
        )
        pids = [int(word) for word in killed.stdout.split()]
        assert pids, killed.stderr
        alive = [psutil.Process(pid) for pid in pids if psutil.pid_exists(pid)]
        assert psutil.wait_procs(alive, timeout=10)[1] == []
        runtime.clean(Path(folder))
