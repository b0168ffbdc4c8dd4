"""A running guest that answers no more, one way after the other, and what a user is told.

All in one guest, in the order of the tests: the last leaves it spinning.
"""

import os
import signal
import threading
import time
from collections.abc import Iterator

import pytest

from tests.framework.fault_table import told
from tests.integration.vmdriver.conftest import Configure
from vmdriver import Deadlines, Driver, Vm, VmGoneError, leftovers


@pytest.fixture(scope="module")
def vm(driver: Driver, configure: Configure) -> Iterator[Vm]:
    config = configure(name="hung", deadlines=Deadlines(agent_s=2, gone_s=1))
    with driver.start(config) as started:
        yield started


def test_a_command_that_takes_too_long(vm: Vm) -> None:
    with told("command over its limit"):
        vm.exec(["sh", "-c", "while :; do :; done"], timeout_s=0.5)


def test_a_command_may_take_longer_than_the_guest_s_silence(vm: Vm) -> None:
    assert vm.exec(["sleep", str(2 * vm.config.deadlines.agent_s + 0.5)]).exit_code == 0


def test_a_guest_out_of_memory(vm: Vm) -> None:
    hog = "echo 1 > /proc/sys/vm/overcommit_memory; exec dd if=/dev/zero of=/dev/null bs=1G count=1"
    with told("guest out of memory"):
        vm.exec(["sh", "-c", hog], timeout_s=60)
    assert vm.exec(["echo", "on"]).stdout == b"on\n"


def test_a_disk_that_is_stuck(vm: Vm) -> None:
    assert vm.domain.live is not None
    disk = vm.domain.live._domain
    disk.setBlockIoTune("vda", {"total_bytes_sec": 1})
    with told("disk stuck under a command"):
        vm.exec(["sh", "-c", "cat /usr/bin/* > /dev/null"], timeout_s=2)
    disk.setBlockIoTune("vda", {"total_bytes_sec": 0})


def test_a_guest_that_stops(vm: Vm) -> None:
    os.kill(vm.pid, signal.SIGSTOP)
    try:
        with told("guest stopped"):
            vm.exec(["true"])
    finally:
        os.kill(vm.pid, signal.SIGCONT)
    assert vm.exec(["true"]).exit_code == 0


# With neither the kernel's reserve for ordinary tasks nor its limit on real-time ones, a loop of
# the highest priority leaves nothing of the only vCPU, interrupts apart.
UNFAIR = (
    "mkdir /tmp/d && mount -t debugfs none /tmp/d && "
    "echo 0 > /tmp/d/sched/fair_server/cpu0/runtime && umount /tmp/d && "
    "echo -1 > /proc/sys/kernel/sched_rt_runtime_us && "
    "exec chrt -f 99 sh -c 'while :; do :; done'"
)


def test_a_guest_that_spins(vm: Vm) -> None:
    with told("guest spins under a command"):
        vm.run_script(UNFAIR)
    with told("guest spins"):
        vm.exec(["true"])
    began = time.monotonic()
    vm.stop(grace_s=0.5)
    assert vm.forced
    assert time.monotonic() - began < 5
    with pytest.raises(VmGoneError):
        vm.exec(["true"])
    with pytest.raises(VmGoneError):
        vm.cpu_time_s()


def test_qemu_killed_under_a_command(driver: Driver, configure: Configure) -> None:
    with driver.start(configure(name="gone")) as vm:
        threading.Timer(0.3, os.kill, (vm.pid, signal.SIGKILL)).start()
        with told("QEMU killed under a command"):
            vm.exec(["sleep", "60"])
        assert not vm.running()
    assert leftovers(driver.state) == []
