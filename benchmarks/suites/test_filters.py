"""Cost of a system-call filter: the load in every start, and every call after that.

The figure for a call is that of `filters.CALLS` calls through ctypes; the cost of the filter is the
difference to "no filter".
"""

import json
import subprocess
import sys

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.suites import filters
from benchmarks.suites.clock import stamped_clock

Measured = dict[str, dict[str, list[tuple[int, int]]]]
ROUNDS = 100


@pytest.fixture(scope="module")
def measured() -> Measured:
    command = [sys.executable, "-m", filters.__name__, str(ROUNDS)]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, timeout=300)
    found: Measured = json.loads(done.stdout)
    return found


def _report(benchmark: BenchmarkFixture, stamps: list[tuple[int, int]]) -> None:
    waiting = iter(stamps)
    benchmark.pedantic(lambda: stamped_clock.advance(*next(waiting)), rounds=len(stamps))
    benchmark.extra_info["interleaved_with"] = sorted(filters.ways())


@pytest.mark.benchmark(group="filter: load", timer=stamped_clock)
@pytest.mark.parametrize("way", [way for way in filters.ways() if way != filters.NONE])
def test_load(benchmark: BenchmarkFixture, measured: Measured, way: str) -> None:
    _report(benchmark, measured[way]["load"])


@pytest.mark.benchmark(group=f"filter: {filters.CALLS} calls", timer=stamped_clock)
@pytest.mark.parametrize("call", filters.KINDS)
@pytest.mark.parametrize("way", filters.ways())
def test_calls(benchmark: BenchmarkFixture, measured: Measured, way: str, call: str) -> None:
    if way == "one instruction" and call == "refused":
        pytest.skip("that filter refuses nothing")
    _report(benchmark, measured[way][call])
    benchmark.extra_info["instructions"] = len(filters.ways()[way][0]) // 8
