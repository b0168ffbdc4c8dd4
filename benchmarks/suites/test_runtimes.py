"""Start of a container by tare's runtime, bubblewrap, crun and runc; see `runtimes`."""

import json
import subprocess
import sys

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks import image
from benchmarks.suites import runtimes
from benchmarks.suites.clock import stamped_clock

Measured = dict[str, list[tuple[int, int]]]


ROUNDS = 20
SEED = 1


@pytest.fixture(scope="module")
def measured() -> Measured:
    built = image.build(progress=print)
    program = [sys.executable, "-m", runtimes.__name__, str(built.root), str(ROUNDS), str(SEED)]
    done = subprocess.run(["unshare", "-m", *program], check=True, stdout=subprocess.PIPE)
    found: Measured = json.loads(done.stdout)
    return found


@pytest.mark.benchmark(group="start: asked to first byte of output", timer=stamped_clock)
@pytest.mark.parametrize("name", runtimes.NAMES)
def test_start_beside_external(benchmark: BenchmarkFixture, measured: Measured, name: str) -> None:
    if name not in measured:
        pytest.skip(f"{name} is not installed")
    stamps = iter(measured[name])
    benchmark.pedantic(lambda: stamped_clock.advance(*next(stamps)), rounds=ROUNDS)
    benchmark.extra_info["interleaved_with"] = sorted(measured)
