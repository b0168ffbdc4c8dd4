"""Start and stop of every sandbox, timed by its own boundary stamps."""

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.sandboxes import find
from benchmarks.sandboxes.base import Sandbox
from benchmarks.suites.clock import stamped_clock


@pytest.mark.benchmark(group="startup: requested to main", timer=stamped_clock)
def test_start(benchmark: BenchmarkFixture, sandbox: Sandbox) -> None:
    boundaries: dict[str, float] = {}

    def start() -> None:
        with sandbox.start() as instance:
            stamps = instance.stamps
        stamped_clock.advance(stamps["requested"], stamps["main"])
        for boundary in set(sandbox.info.boundaries) & set(stamps):
            boundaries[boundary] = (stamps[boundary] - stamps["requested"]) / 1e9

    benchmark.pedantic(start, rounds=find(sandbox.info.name).suite_rounds, warmup_rounds=1)
    benchmark.extra_info["last_ladder_s"] = boundaries
    assert not sandbox.leftovers()


@pytest.mark.benchmark(group="stop: asked to nothing left", timer=stamped_clock)
def test_stop(benchmark: BenchmarkFixture, sandbox: Sandbox) -> None:
    def stop() -> None:
        with sandbox.start() as instance:
            instance.stop()
            stamps = instance.stamps
        stamped_clock.advance(stamps["stop_asked"], stamps["stopped"])

    benchmark.pedantic(stop, rounds=find(sandbox.info.name).suite_rounds)
    assert not sandbox.leftovers()
