"""Many VMs at once, and one after the other; see `endurance`. ``pytest -s`` shows what grew.

``TARE_ROUNDS`` names another number of starts and stops; 200 take ten minutes and more.
"""

import os
import tempfile
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks import image
from benchmarks.suites import endurance
from benchmarks.suites.clock import stamped_clock
from vmdriver import Deadlines, Driver, VmConfig, leftovers

ROUNDS = int(os.environ.get("TARE_ROUNDS", "200"))
WARM_UP = 5
AT_ONCE = 20
_PAYLOAD = ("sh", "-c", "echo m >&3; exec sleep 600")
_MEMORY_MIB = 128

pytestmark = pytest.mark.timeout(7200)


@pytest.fixture(scope="module")
def driver() -> Iterator[Driver]:
    if os.geteuid() != 0:
        pytest.skip("libvirt's own driver needs root")
    with (
        tempfile.TemporaryDirectory(prefix="tare-often-") as state,
        Driver(Path(state)) as opened,
    ):
        yield opened


@pytest.fixture(scope="module")
def config() -> VmConfig:
    built = image.build(progress=print)
    return VmConfig(
        name="often",
        kernel=built.vmlinux,
        initrd=built.initramfs,
        disk=built.block,
        memory_mib=_MEMORY_MIB,
        payload=_PAYLOAD,
        # many guests share two CPUs here
        deadlines=Deadlines(kernel_s=120, init_s=300, main_s=300, agent_s=120, gone_s=60),
    )


@pytest.mark.benchmark(group="VM again: asked to stopped", timer=stamped_clock)
def test_again(benchmark: BenchmarkFixture, driver: Driver, config: VmConfig) -> None:
    for _ in range(WARM_UP):
        endurance.start_and_stop(driver, config)
    first = endurance.held()

    def once() -> None:
        stamps = endurance.start_and_stop(driver, config)
        stamped_clock.advance(stamps["requested"], stamps["stopped"])

    benchmark.pedantic(once, rounds=ROUNDS)
    last = endurance.held()
    grown = endurance.growth(first, last)
    print(f"\nafter {ROUNDS} starts and stops: {first} became {last}, growth {grown}")
    benchmark.extra_info.update(first=asdict(first), last=asdict(last), growth=grown)
    benchmark.extra_info["leftovers"] = leftovers(driver.state)
    benchmark.extra_info["load"] = os.getloadavg()


@pytest.mark.benchmark(group="VMs at once: first asked to last stopped", timer=stamped_clock)
def test_at_once(benchmark: BenchmarkFixture, driver: Driver, config: VmConfig) -> None:
    def together() -> None:
        stamps = endurance.at_once(driver, config, AT_ONCE)
        first = min(one["requested"] for one in stamps)
        slowest = max(one["main"] for one in stamps)
        print(f"\n{len(stamps)} VMs: the last began after {(slowest - first) / 1e9:.1f} s")
        stamped_clock.advance(first, max(one["stopped"] for one in stamps))

    benchmark.pedantic(together, rounds=1)
    benchmark.extra_info["leftovers"] = leftovers(driver.state)
    benchmark.extra_info["load"] = os.getloadavg()
