"""Every way a VM can fail to start that can be brought about here, and what a user is told."""

import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.image import Image
from tests.framework.fault_table import table, told
from tests.framework.small_guests import mute_kernel
from tests.integration.vmdriver.conftest import Configure, when
from vmdriver import MICRO, TUNED, Deadlines, Driver, clean, leftovers
from vmdriver.guest import cpio
from vmdriver.microguest import programs
from vmdriver.state import Layout

Cut = Callable[[Path, int], Path]


@pytest.fixture(autouse=True)
def nothing_stays(driver: Driver) -> object:
    yield
    assert leftovers(driver.state) == []
    assert driver.connection.names() == []


def test_a_configuration_that_cannot_work(driver: Driver, configure: Configure) -> None:
    with told("configuration cannot work"):
        driver.start(configure(disk=Path("/nowhere")))
    with told("no UEFI firmware"):
        driver.start(configure(profile=replace(MICRO, firmware="uefi")))
    with told("cgroup missing"):
        driver.start(configure(cgroups=(Path("/nowhere"),)))


def test_a_cgroup_that_refuses(driver: Driver, configure: Configure, tmp_path: Path) -> None:
    (tmp_path / "cgroup.procs").symlink_to("/dev/full")
    with told("cgroup refuses QEMU"):
        driver.start(configure(cgroups=(tmp_path,)))


def test_libvirt_s_own_words_are_kept(driver: Driver, configure: Configure) -> None:
    with told("libvirt refuses the domain"):
        driver.start(configure(profile=replace(TUNED, machine="pc-q35-99.9")))


def test_qemu_s_own_words_are_kept(driver: Driver, configure: Configure) -> None:
    with told("QEMU refuses its arguments"):
        driver.start(configure(profile=replace(TUNED, firmware="/nowhere/firmware.rom")))


def test_a_kernel_that_is_none(driver: Driver, configure: Configure, tmp_path: Path) -> None:
    kernel = tmp_path / "kernel"
    kernel.write_bytes(os.urandom(10_000))
    with told("kernel is none"):
        driver.start(configure(kernel=kernel))


def test_a_truncated_kernel(driver: Driver, configure: Configure, image: Image, cut: Cut) -> None:
    with told("vmlinux truncated"):
        driver.start(configure(kernel=cut(image.vmlinux, 20_000_000)))
    with told("bzImage damaged"):
        driver.start(configure(kernel=cut(image.kernel, 5_000_000)))


def test_firmware_that_never_starts_a_kernel(
    driver: Driver, configure: Configure, tmp_path: Path
) -> None:
    rom = tmp_path / "rom"
    rom.write_bytes(programs.rom())  # the audit's guest: it counts
    profile = replace(TUNED, firmware=str(rom))
    with told("firmware stuck"):
        driver.start(configure(profile=profile, deadlines=Deadlines(kernel_s=1)))


def test_a_kernel_that_never_speaks(driver: Driver, configure: Configure, tmp_path: Path) -> None:
    kernel = tmp_path / "kernel"
    kernel.write_bytes(mute_kernel())
    with told("kernel silent"):
        driver.start(configure(kernel=kernel, deadlines=Deadlines(kernel_s=1)))


def test_a_truncated_initramfs(
    driver: Driver, configure: Configure, image: Image, cut: Cut
) -> None:
    with told("kernel panic"):
        driver.start(configure(initrd=cut(image.initramfs, 1000)))


def test_an_init_that_never_speaks(
    driver: Driver, configure: Configure, image: Image, tmp_path: Path
) -> None:
    initrd = tmp_path / "initrd"
    busybox = image.busybox.read_bytes()
    initrd.write_bytes(
        cpio.archive(
            [
                cpio.directory("bin"),
                cpio.directory("dev"),
                cpio.character_device("dev/console", 5, 1),
                cpio.file("bin/busybox", busybox, 0o755),
                cpio.file("init", b"#!/bin/busybox sh\n/bin/busybox sleep 600\n", 0o755),
            ]
        )
    )
    with told("init missing"):
        driver.start(configure(initrd=initrd, deadlines=Deadlines(init_s=8)))


def test_an_agent_that_never_speaks(
    driver: Driver, configure: Configure, image: Image, tmp_path: Path
) -> None:
    initrd = tmp_path / "initrd"
    # The kernel unpacks one archive behind the other, and the later file stays.
    later = cpio.archive([cpio.file("agent.sh", b"exec sleep 600\n")])
    initrd.write_bytes(image.initramfs.read_bytes() + later)
    with told("agent missing"):
        driver.start(configure(initrd=initrd, deadlines=Deadlines(main_s=15)))


def test_a_damaged_image(driver: Driver, configure: Configure, image: Image, cut: Cut) -> None:
    with told("image damaged"):
        driver.start(configure(disk=cut(image.block, 512)))


def test_an_image_cut_in_its_middle(
    driver: Driver, configure: Configure, image: Image, cut: Cut
) -> None:
    with told("image truncated"):
        driver.start(configure(disk=cut(image.block, image.block.stat().st_size // 2)))


def test_the_wrong_file_system(driver: Driver, configure: Configure) -> None:
    with told("image of another file system"):
        driver.start(configure(disk_type="ext4"))


def test_a_payload_that_is_not_there(driver: Driver, configure: Configure) -> None:
    with told("payload missing"):
        driver.start(configure(payload=("no-such-payload",)))


def test_a_payload_that_says_nothing(driver: Driver, configure: Configure) -> None:
    with told("payload silent"):
        driver.start(configure(payload=("sleep", "600"), deadlines=Deadlines(main_s=15)))


def test_too_little_memory(driver: Driver, configure: Configure) -> None:
    with told("memory too small for the kernel"):
        driver.start(configure(memory_mib=48))
    with told("memory too small for the guest"):
        driver.start(configure(memory_mib=72))


def test_qemu_killed_while_booting(driver: Driver, configure: Configure) -> None:
    thread = when(driver, "killed", "kernel", lambda pid: os.kill(pid, signal.SIGKILL))
    with told("QEMU killed while booting"):
        driver.start(configure(name="killed"))
    thread.join()


def test_qemu_stopped_while_booting(driver: Driver, configure: Configure) -> None:
    thread = when(driver, "stopped", "kernel", lambda pid: os.kill(pid, signal.SIGSTOP))
    with told("QEMU stopped while booting"):
        driver.start(configure(name="stopped", deadlines=Deadlines(init_s=2)))
    thread.join()


def test_qemu_that_stops_answering_libvirt(driver: Driver, configure: Configure) -> None:
    thread = when(driver, "mute", "spawned", lambda pid: os.kill(pid, signal.SIGSTOP))
    with told("QEMU stops answering libvirt"):
        driver.start(configure(name="mute", deadlines=Deadlines(vmm_s=1)))
    thread.join()


HARNESS = """
import sys, time
from pathlib import Path
from vmdriver import Driver, VmConfig
state, kernel, initrd, disk = map(Path, sys.argv[1:])
driver = Driver(state)
vm = driver.start(VmConfig("orphan", kernel, initrd, disk))
print(vm.pid, flush=True)
time.sleep(600)
"""


def test_a_killed_harness_takes_its_vm_along(configure: Configure, tmp_path: Path) -> None:
    config = configure()
    arguments = [tmp_path / "s", config.kernel, config.initrd, config.disk]
    with subprocess.Popen(
        [sys.executable, "-c", HARNESS, *arguments], stdout=subprocess.PIPE
    ) as harness:
        assert harness.stdout is not None
        pidfd = os.pidfd_open(int(harness.stdout.readline()))
        harness.kill()
        assert select.select([pidfd], [], [], 10)[0]
        os.close(pidfd)
    assert any("socket" in words for words in leftovers(tmp_path / "s"))
    assert clean(tmp_path / "s")
    assert leftovers(tmp_path / "s") == []


PROBE = """
import sys
from pathlib import Path
from vmdriver import Driver
with Driver(Path(sys.argv[1])) as driver:
    print(driver.connection.version)
"""


def test_a_driver_follows_one_that_was_killed_while_libvirt_asked_qemu(tmp_path: Path) -> None:
    """The guardian of the killed one took the next one's QEMU for a late one of its own."""
    words = [sys.executable, "-c", PROBE, str(tmp_path / "s")]
    asked = Layout.of(tmp_path / "s").root / "lib" / "qemu"
    with subprocess.Popen(words, stdout=subprocess.DEVNULL) as harness:
        while not list(asked.glob("qmp-*/qmp.pid")) and harness.poll() is None:
            time.sleep(0.002)
        harness.kill()
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    assert leftovers(tmp_path / "s") == []


FULL = (
    'mount --make-rprivate / 2>/dev/null; mount -t tmpfs -o "$1" none "$2" && shift 2 && exec "$@"'
)

START = """
import sys
from pathlib import Path
from vmdriver import Driver, VmConfig, VmError
state, kernel, initrd, disk = map(Path, sys.argv[1:])
try:
    with Driver(state) as driver:
        try:
            with (state / "fill").open("wb", buffering=0) as file:
                while file.write(bytes(4096)):
                    pass
        except OSError:
            pass
        driver.start(VmConfig("full", kernel, initrd, disk))
        print("started")
except VmError as error:
    print(f"{type(error).__name__}: {error}")
"""


@pytest.mark.parametrize(
    ("size", "fault"),
    [
        ("size=1m", "disk full: no file can be written"),
        ("size=1m,nr_inodes=8", "disk full: no file can be made"),
    ],
)
def test_a_full_disk(configure: Configure, size: str, fault: str) -> None:
    config = configure()
    # A short path: libvirt's directory shall lie on the full disk too.
    with tempfile.TemporaryDirectory(prefix="tare-full-") as state:
        done = subprocess.run(
            [
                *("unshare", "--mount", "--propagation", "unchanged"),
                *("sh", "-c", FULL, "sh", size, state),
                *(sys.executable, "-c", START, state),
                *(config.kernel, config.initrd, config.disk),
            ],
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
    error, _, words = done.stdout.strip().partition(": ")
    row = table()[fault]
    assert error == row.error.__name__, done.stdout
    assert row.is_told_by(words), done.stdout
