"""Many small guests: at once without collision, and again and again without a trace."""

import os
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.suites.endurance import held
from tests.framework.small_guests import small, start_small
from tests.integration.vmdriver.conftest import Configure
from vmdriver import Driver, Vm, VmConfig, leftovers

AT_ONCE = 20
AGAIN = 12


@pytest.fixture
def config(configure: Configure, tmp_path: Path) -> VmConfig:
    return small(configure(), tmp_path)


def test_twenty_at_once_do_not_meet(driver: Driver, config: VmConfig) -> None:
    start_small(driver, config).destroy()  # what the first start leaves open stays
    before = held(driver.state, [os.getpid()])

    def start(number: int) -> Vm:
        return start_small(driver, replace(config, name=f"many-{number}"))

    with ThreadPoolExecutor(AT_ONCE) as pool:
        vms = list(pool.map(start, range(AT_ONCE)))
        assert len({vm.pid for vm in vms}) == AT_ONCE
        assert sorted(driver.connection.names()) == sorted(vm.config.name for vm in vms)
        for vm in vms:
            # the last byte may still be on its way
            deadline = time.monotonic() + 10
            while (said := vm.console.read_bytes()) != b"tare: init\r\n":
                assert time.monotonic() < deadline, said
                time.sleep(0.01)
            assert f"guest={vm.config.name}," in " ".join(vm.process.arguments())
        list(pool.map(Vm.destroy, vms))
    assert not any(vm.running() for vm in vms)
    assert leftovers(driver.state) == []
    assert driver.connection.names() == []
    after = held(driver.state, [os.getpid()])
    assert (after.descriptors, after.threads) == (before.descriptors, before.threads)


def test_again_and_again_nothing_grows(driver: Driver, config: VmConfig) -> None:
    start_small(driver, config).destroy()
    before = held(driver.state, [os.getpid()])
    for _ in range(AGAIN):
        start_small(driver, config).destroy()
    after = held(driver.state, [os.getpid()])
    assert (after.descriptors, after.threads) == (before.descriptors, before.threads)
    assert after.rss_mib < 1.01 * before.rss_mib
    assert leftovers(driver.state) == []
