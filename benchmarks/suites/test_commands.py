"""What one command costs in a running sandbox."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from benchmarks import workloads
from benchmarks.results.records import Resources
from benchmarks.suites.clock import stamped_clock

if TYPE_CHECKING:
    from pytest_benchmark.fixture import BenchmarkFixture

    from benchmarks.sandboxes.base import Sandbox

_RESOURCES = Resources(cpus=1, cpuset=(0,), memory_bytes=1 << 29)


@pytest.mark.benchmark(group="command: one checksum", timer=stamped_clock)
def test_checksum(benchmark: BenchmarkFixture, sandbox: Sandbox) -> None:
    workload = workloads.load("checksum")
    words = set()

    with sandbox.start() as instance:

        def run() -> None:
            done = instance.run(workload.args(_RESOURCES), timeout_s=workload.timeout_s)
            stamped_clock.advance(0, int(done.seconds * 1e9))
            words.add(workload.read(done, 0.0)["sha256"])

        benchmark.pedantic(run, rounds=10, warmup_rounds=1)
    assert len(words) == 1
