"""Machine types, ways to the image, and memory that comes back: one guest for each of two mixes."""

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from benchmarks.image import Image
from tests.integration.vmdriver.conftest import Configure
from vmdriver import MICRO, STOCK_UEFI, TUNED, ConfigError, Deadlines, Driver, Vm, leftovers

MIB = 1 << 20


def soon(condition: Callable[[], bool], seconds: float = 15) -> bool:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if condition():
            return True
        time.sleep(0.2)
    return False


@pytest.fixture(scope="module")
def lean(driver: Driver, configure: Configure) -> Iterator[Vm]:
    """A microvm whose guest gives memory back."""
    profile = replace(MICRO, balloon=True, free_page_reporting=True, translation_cache_mib=32)
    with driver.start(configure(name="lean", profile=profile)) as vm:
        yield vm
    assert leftovers(driver.state) == []


def test_a_microvm_has_no_pci_and_powers_off_like_others(lean: Vm) -> None:
    assert any(argument.startswith("microvm,") for argument in lean.argv)
    devices = lean.run_script("ls /sys/bus/virtio/devices | wc -l; ls /sys/bus/pci/devices | wc -l")
    virtio, pci = map(int, devices.stdout.split())
    assert (virtio, pci) == (3, 0)


def test_memory_that_the_guest_frees_comes_back_to_the_host(lean: Vm) -> None:
    before = lean.memory().guest_ram_bytes
    fill = "head -c 90000000 /dev/zero > /dev/shm/fill"
    assert lean.run_script(fill, timeout_s=60).exit_code == 0
    full = lean.memory().guest_ram_bytes
    assert full > before + 30 * MIB
    lean.run_script("rm /dev/shm/fill")
    assert soon(lambda: lean.memory().guest_ram_bytes < full - 30 * MIB)


def test_a_balloon_takes_memory_and_gives_it_back(lean: Vm) -> None:
    total = lean.guest_memory()["MemTotal"]
    lean.balloon(160)
    assert soon(lambda: lean.guest_memory()["MemTotal"] < total - 64 * MIB)
    lean.balloon(256)
    assert soon(lambda: lean.guest_memory()["MemTotal"] == total)
    with pytest.raises(ConfigError, match="256 MiB and cannot be given 512"):
        lean.balloon(512)


def test_the_translation_cache_is_as_large_as_asked_for(lean: Vm) -> None:
    assert lean.memory().translation_bytes <= 32 * MIB


def test_a_microvm_stops_by_itself(lean: Vm) -> None:
    lean.stop(grace_s=0)
    assert not lean.forced


def test_uefi_enters_the_kernel_and_its_variables_go_with_the_vm(
    driver: Driver, configure: Configure, image: Image
) -> None:
    # The disk past the host's page cache and served by a thread of its own in the same boot.
    profile = replace(
        STOCK_UEFI, init="tare", disk_cache="none", disk_io="native", io_thread=True, queues=1
    )
    patient = Deadlines(kernel_s=120, init_s=60, main_s=60)
    config = configure(name="uefi", profile=profile, kernel=image.kernel, deadlines=patient)
    with driver.start(config) as vm:
        names = ["spawned", "vmm_ready", "kernel", "init", "main"]
        stamps = [vm.stamps[name] for name in names]
        assert stamps == sorted(stamps)
        assert len(set(stamps)) == len(stamps)
        assert vm.exec(["ls", "-d", "/sys/firmware/efi"]).exit_code == 0
        firmware = [argument for argument in vm.argv if "pflash" in argument]
        assert len(firmware) >= 2
        assert any('"aio":"native"' in argument for argument in vm.argv)
        assert any('"iothread":"iothread1"' in argument for argument in vm.argv)
        written = list((driver.state / "uefi").iterdir())
        assert [path.name for path in written] == ["uefi.fd"]
        vm.stop(grace_s=0)
        assert not vm.forced
    assert leftovers(driver.state) == []


def test_a_shared_directory_is_served_read_only_and_leaves_no_process(
    driver: Driver, configure: Configure, image: Image
) -> None:
    # The older machine type in the same boot: neither has to do with the other.
    profile = replace(TUNED, machine="pc")
    config = configure(
        name="a-name-longer-than-20", profile=profile, disk=image.root, disk_type="virtiofs"
    )
    before = {child.pid for child in psutil.Process().children(recursive=True)}
    with driver.start(config) as vm:
        helpers = [psutil.Process(pid) for pid in vm.helper_pids]
        assert {helper.name() for helper in helpers} == {"virtiofsd"}
        assert 0 < vm.memory().guest_ram_bytes <= 256 * MIB
        mine = Path(vm.console).read_bytes()
        assert b"tare: init" in mine
        release = vm.exec(["cat", "/etc/hostname"]).stdout
        assert release == (image.root / "etc" / "hostname").read_bytes()
        script = "mkdir /tmp/own && mount -t virtiofs tare /tmp/own && touch /tmp/own/new"
        refused = vm.run_script(script)
        assert refused.exit_code != 0
        assert b"Read-only file system" in refused.stderr
        assert not (image.root / "new").exists()
        with pytest.raises(ConfigError, match="has no balloon"):
            vm.balloon(64)
    assert {child.pid for child in psutil.Process().children(recursive=True)} <= before
    assert leftovers(driver.state) == []
