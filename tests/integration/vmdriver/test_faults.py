"""Every way a VM can fail that can be brought about here, and the error a user gets."""

import os
import re
import select
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.image import Image
from tests.integration.vmdriver.conftest import Configure
from vmdriver import (
    TUNED,
    AgentMissingError,
    Deadlines,
    Driver,
    GuestSetupError,
    InitMissingError,
    KernelPanicError,
    KernelSilentError,
    PayloadMissingError,
    QemuDiedError,
    RefusedError,
    StartError,
    VmConfig,
    VmError,
    VmGoneError,
    clean,
    leftovers,
    microguest,
)
from vmdriver.guest import cpio

Cut = Callable[[Path, int], Path]


@pytest.fixture(autouse=True)
def nothing_stays(driver: Driver) -> object:
    yield
    assert leftovers(driver.state) == []


def failing(driver: Driver, config: VmConfig, error: type[VmError], words: str) -> str:
    with pytest.raises(error, match=words) as caught:
        driver.start(config)
    assert caught.type is error
    assert "\n" not in str(caught.value).strip()
    return str(caught.value)


def test_libvirt_s_own_words_are_kept(driver: Driver, configure: Configure) -> None:
    profile = replace(TUNED, machine="pc-q35-99.9")
    failing(
        driver,
        configure(profile=profile),
        RefusedError,
        r"machine pc-q35-99\.9.* does not support machine type",
    )


def test_qemu_s_own_words_are_kept(driver: Driver, configure: Configure) -> None:
    profile = replace(TUNED, firmware="/nowhere/firmware.rom")
    failing(driver, configure(profile=profile), RefusedError, r"/nowhere/firmware\.rom")


def test_a_truncated_vmlinux(driver: Driver, configure: Configure, cut: Cut) -> None:
    config = configure()
    config = replace(config, kernel=cut(config.kernel, 20_000_000))
    failing(driver, config, RefusedError, "Error while loading elf kernel")


def test_a_truncated_bzimage(driver: Driver, configure: Configure, image: Image, cut: Cut) -> None:
    kernel = cut(image.kernel, 5_000_000)
    failing(driver, configure(kernel=kernel), QemuDiedError, "is the kernel whole?")


def test_a_kernel_that_never_speaks(driver: Driver, configure: Configure, tmp_path: Path) -> None:
    # The audit's guest as firmware: it runs, and never starts a kernel.
    rom = tmp_path / "rom"
    rom.write_bytes(microguest.rom())
    profile = replace(TUNED, firmware=str(rom))
    config = configure(profile=profile, deadlines=Deadlines(kernel_s=2))
    failing(driver, config, KernelSilentError, "within 2 s: its kernel wrote nothing")


def test_a_kernel_that_is_none(driver: Driver, configure: Configure, tmp_path: Path) -> None:
    kernel = tmp_path / "kernel"
    kernel.write_bytes(os.urandom(10_000))
    config = configure(kernel=kernel, deadlines=Deadlines(kernel_s=4))
    with pytest.raises(StartError) as caught:
        driver.start(config)
    assert caught.type in {RefusedError, KernelSilentError}


def test_a_truncated_initramfs(driver: Driver, configure: Configure, cut: Cut) -> None:
    config = configure()
    config = replace(config, initrd=cut(config.initrd, 1000))
    failing(driver, config, KernelPanicError, "panicked: .*root")


def test_an_init_that_never_speaks(driver: Driver, configure: Configure, tmp_path: Path) -> None:
    initrd = tmp_path / "initrd"
    busybox = Path("/usr/bin/busybox").read_bytes()
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
    config = configure(initrd=initrd, deadlines=Deadlines(init_s=6))
    failing(driver, config, InitMissingError, "its init never ran")


def test_a_truncated_image(driver: Driver, configure: Configure, cut: Cut) -> None:
    config = configure()
    config = replace(config, disk=cut(config.disk, 512))
    failing(driver, config, GuestSetupError, "cannot mount the image on /dev/vda as erofs")


def test_the_wrong_file_system(driver: Driver, configure: Configure) -> None:
    failing(driver, configure(disk_type="ext4"), GuestSetupError, "on /dev/vda as ext4")


def test_a_payload_that_is_not_there(driver: Driver, configure: Configure) -> None:
    config = configure(payload=("no-such-payload",))
    words = failing(driver, config, PayloadMissingError, "ended with status 127")
    assert "no-such-payload: not found in the image" in words


def test_a_payload_that_says_nothing(driver: Driver, configure: Configure) -> None:
    config = configure(payload=("sleep", "600"), deadlines=Deadlines(main_s=3))
    failing(driver, config, PayloadMissingError, "sleep wrote no first byte")


def test_too_little_memory(driver: Driver, configure: Configure) -> None:
    config = configure(memory_mib=48)
    failing(driver, config, QemuDiedError, "the guest ended by itself: are 48 MiB enough")


def when(driver: Driver, name: str, boundary: str, act: Callable[[int], None]) -> threading.Thread:
    """Acts on QEMU once the VM being started has passed a boundary."""

    def watch() -> None:
        until = time.monotonic() + 20
        while time.monotonic() < until:
            vm = driver._vms.get(name)
            if vm is not None and boundary in vm.stamps:
                act(vm.pid)
                return
            time.sleep(0.005)

    thread = threading.Thread(target=watch)
    thread.start()
    return thread


def test_qemu_killed_while_booting(driver: Driver, configure: Configure) -> None:
    thread = when(driver, "killed", "kernel", lambda pid: os.kill(pid, signal.SIGKILL))
    failing(driver, configure(name="killed"), QemuDiedError, "ended with signal SIGKILL before")
    thread.join()


def test_qemu_frozen_while_booting(driver: Driver, configure: Configure) -> None:
    thread = when(driver, "frozen", "kernel", lambda pid: os.kill(pid, signal.SIGSTOP))
    config = configure(name="frozen", deadlines=Deadlines(init_s=2))
    failing(driver, config, InitMissingError, "did not reach init within 2 s")
    thread.join()


def test_a_running_guest_that_freezes_then_dies(driver: Driver, configure: Configure) -> None:
    config = configure(name="hung", deadlines=Deadlines(agent_s=1, gone_s=1))
    with driver.start(config) as vm:
        vm.exec(["true"])
        os.kill(vm.pid, signal.SIGSTOP)
        with pytest.raises(AgentMissingError, match="did not acknowledge a command within 1 s"):
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
        with pytest.raises(VmGoneError):
            vm.exec(["sleep", "60"])
        assert not vm.running()


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
        began = time.monotonic()
        assert select.select([pidfd], [], [], 10)[0]
        assert time.monotonic() - began < 10
        os.close(pidfd)
    assert any("socket" in words for words in leftovers(tmp_path / "s"))
    assert clean(tmp_path / "s")
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
    ("size", "words"),
    [
        ("size=1m", "RefusedError: .* was refused: .*failed to write"),
        ("size=1m,nr_inodes=8", "No space left on device"),
    ],
)
def test_a_full_disk(configure: Configure, size: str, words: str) -> None:
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
    assert re.search(words, done.stdout), done.stdout
