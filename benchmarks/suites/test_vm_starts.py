"""Starts of VMs by every profile and boundary; see `vm_starts`. ``pytest -s`` shows the table.

``TARE_VM_WAYS`` names fewer ways, separated by semicolons; ``TARE_ROUNDS`` another number of
rounds.
"""

import os

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks import image
from benchmarks.suites import vm_starts
from benchmarks.suites.clock import stamped_clock
from benchmarks.suites.vm_starts import Measured

ROUNDS = int(os.environ.get("TARE_ROUNDS", "5"))
WAYS = tuple(os.environ.get("TARE_VM_WAYS", ";".join(vm_starts.WAYS)).split(";"))
SEED = 1
PAIRS = (("tuned", vm_starts.DIRECTLY), ("tuned", "stock"), ("restored", "tuned"))

pytestmark = pytest.mark.timeout(3600)


@pytest.fixture(scope="module")
def measured() -> Measured:
    if os.geteuid() != 0:
        pytest.skip("libvirt's own driver needs root")
    built = image.build(progress=print)
    found = vm_starts.measure(built, ROUNDS, SEED, WAYS, print)
    print(f"\n{vm_starts.table(found)}\nload {os.getloadavg()}")
    for way, base in PAIRS:
        if {way, base} <= set(found):
            print(f"{way} / {base}: {vm_starts.ratio(found, way, base):.2f}")
    return found


@pytest.mark.benchmark(group="VM start: asked to main", timer=stamped_clock)
@pytest.mark.parametrize("way", WAYS)
def test_vm_start(benchmark: BenchmarkFixture, measured: Measured, way: str) -> None:
    starts = iter(measured[way])

    def start() -> None:
        stamps = next(starts)
        stamped_clock.advance(stamps["requested"], stamps["main"])

    benchmark.pedantic(start, rounds=ROUNDS)
    benchmark.extra_info["interleaved_with"] = sorted(measured)
    benchmark.extra_info["ladder_s"] = vm_starts.ladder(measured[way])
    benchmark.extra_info["load"] = os.getloadavg()
