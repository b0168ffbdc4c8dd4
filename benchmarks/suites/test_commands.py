"""Time of one command in a running sandbox."""

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks import workloads
from benchmarks.results.records import Resources
from benchmarks.sandboxes.base import Sandbox
from benchmarks.suites.clock import stamped_clock

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
