"""What a system-call filter costs: its load in every start, and then every call.

A call's figure is that of `filters.CALLS` of them, made through ctypes; what the filter adds is the
difference to "no filter".
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from benchmarks.suites import filters
from benchmarks.suites.clock import stamped_clock

if TYPE_CHECKING:
    from pytest_benchmark.fixture import BenchmarkFixture

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
