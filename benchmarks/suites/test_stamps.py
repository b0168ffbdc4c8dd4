"""Delay of the VM driver's stamps: another process reads the clock, then writes to a port.

Both read CLOCK_MONOTONIC, so the difference is the time of the write, the wake-up of the driver's
thread and its reading of the clock. In `computes` another thread of the harness also runs.
"""

import struct
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.suites.clock import stamped_clock
from vmdriver.harness import Console, Ports

WRITES = 2000
STAMP = struct.Struct("=q")
WRITER = """
import socket, sys, time
port = socket.socket(socket.AF_UNIX)
port.connect(sys.argv[1])
for _ in range(int(sys.argv[2])):
    time.sleep(0.005)
    port.send(time.monotonic_ns().to_bytes(8, sys.byteorder))
"""


@pytest.mark.benchmark(group="stamp: written to stamped", timer=stamped_clock)
@pytest.mark.parametrize("harness", ["waits", "computes"])
def test_stamp(benchmark: BenchmarkFixture, tmp_path: Path, harness: str) -> None:
    found: list[tuple[int, int]] = []

    def receive(_port: str, data: bytes, now: int) -> None:
        # The first byte woke the thread; later ones that are read with it share its stamp.
        (written,) = STAMP.unpack(data[: STAMP.size])
        found.append((written, now))

    port = tmp_path / "control"
    console = Console(tmp_path / "log", 0)
    with closing(Ports({"control": port}, console, receive)) as ports:
        writer = [sys.executable, "-I", "-c", WRITER, str(port), str(WRITES)]
        with subprocess.Popen(writer) as process:
            while harness == "computes" and process.poll() is None:
                sum(range(2000))
        with ports.changed:
            assert ports.changed.wait_for(lambda: ports.ended is not None, 10)
    stamps = iter(found)
    benchmark.pedantic(lambda: stamped_clock.advance(*next(stamps)), rounds=len(found))
    took = sorted((now - written) / 1e6 for written, now in found)
    assert len(took) > WRITES / 4
    benchmark.extra_info["p95_ms"] = took[int(0.95 * len(took))]
    benchmark.extra_info["p99_ms"] = took[int(0.99 * len(took))]
