"""Many instances one after the other, and many VMs at once; ``pytest -s`` shows what grew.

``TARE_ROUNDS`` names another number of starts and stops. 10,000 containers, or 200 VMs, take ten
minutes and more.
"""

import itertools
import os
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks import image
from benchmarks.campaign import config as campaigns
from benchmarks.session import measure
from benchmarks.suites import endurance
from benchmarks.suites.clock import stamped_clock
from vmdriver import Deadlines, Driver, VmConfig, leftovers

ROUNDS = {"container": 10_000, "vm": 200}
WARM_UP = 20
LOOKS = 10
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


@pytest.mark.benchmark(group="again: asked to stopped", timer=stamped_clock)
@pytest.mark.parametrize("name", ROUNDS)
def test_again(benchmark: BenchmarkFixture, name: str, tmp_path: Path) -> None:
    """Start and stop one after another, and look at ten moments at what the harness holds."""
    rounds = int(os.environ.get("TARE_ROUNDS", ROUNDS[name]))
    campaign = campaigns.load("quick", sandboxes=(name,))
    built = image.build(progress=print)
    with ExitStack() as stack:
        # a state of its own, short for libvirt's sockets: this tells nothing of others' speed
        state = Path(
            stack.enter_context(tempfile.TemporaryDirectory(prefix="tare-often-", dir="/run"))
        )
        setting = measure.setting_of(campaign, tmp_path, state, built)
        opened, absent = measure.open_all(stack, campaign, setting)
        if name not in opened:
            pytest.skip(absent[name])
        sandbox = opened[name]
        numbers = itertools.count(1)
        moments = {WARM_UP + rounds * look // LOOKS for look in range(LOOKS + 1)}
        looks = benchmark.extra_info["held"] = {}
        print(f"\n{'starts':>7}", *(f"{field:>12}" for field in endurance.Held._fields))

        def once() -> None:
            stamps = endurance.start_and_stop(sandbox)
            stamped_clock.advance(stamps["requested"], stamps["stopped"])
            if (number := next(numbers)) in moments:
                held = endurance.held(state)
                print(f"{number:7}", *(f"{value:12.6g}" for value in held), flush=True)
                looks[number] = held._asdict()

        benchmark.pedantic(once, rounds=WARM_UP + rounds)
        benchmark.extra_info["leftovers"] = sandbox.leftovers()
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
