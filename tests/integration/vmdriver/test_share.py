"""What libvirt adds to a start: the same QEMU run directly, in turns."""

import subprocess
import time
from contextlib import closing
from pathlib import Path
from statistics import median

from tests.integration.vmdriver.conftest import Configure
from vmdriver import Driver
from vmdriver.agent import words
from vmdriver.channels import Channels
from vmdriver.console import Console
from vmdriver.domain import PORTS, SERIAL

ROUNDS = 3
# 1.15 where nothing else runs: libvirt asks QEMU some 560 questions about its CPU, a context switch
# each, which a busy host stretches more than it does the guest's work.
MOST = 1.6
# libvirt's own: started halted, a monitor on an inherited descriptor, a secret in a file.
OF_LIBVIRT = {"-mon": 2, "-S": 1}


def without_libvirt(argv: list[str]) -> list[str]:
    kept, skip = [], 0
    for number, argument in enumerate(argv):
        following = argv[number + 1] if number + 1 < len(argv) else ""
        if "charmonitor" in following or '"secret"' in following:
            skip = 2
        skip = OF_LIBVIRT.get(argument, skip)
        if skip:
            skip -= 1
        else:
            kept.append(argument)
    return kept


def directly(argv: list[str], folder: Path, payload: tuple[str, ...]) -> float:
    sockets = {port: folder / f"share.{port}" for port in (SERIAL, *PORTS)}
    console = Console(folder / "log", 1 << 16)
    with closing(Channels(sockets, console, lambda *_: None)) as channels:
        began = time.monotonic_ns()
        with subprocess.Popen(argv, stderr=subprocess.DEVNULL) as qemu:
            with channels.changed:
                assert channels.changed.wait_for(lambda: "connected" in channels.stamps, 20)
            channels.send("control", f"payload {words(payload, {}, '/')}\n".encode(), 5)
            with channels.changed:
                assert channels.changed.wait_for(lambda: "main" in channels.stamps, 60)
            took = channels.stamps["main"] - began
            qemu.kill()
    return took / 1e9


def test_a_start_through_libvirt_is_mostly_qemu_s_own(driver: Driver, configure: Configure) -> None:
    config = configure(name="share", cpuset={0})
    through, direct = [], []
    for _ in range(ROUNDS):
        with driver.start(config) as vm:
            through.append((vm.stamps["main"] - vm.stamps["requested"]) / 1e9)
            argv, folder = without_libvirt(vm.argv), vm.sockets[SERIAL].parent
        direct.append(directly(["taskset", "-c", "0", *argv], folder, config.payload))
    ratio = median(through) / median(direct)
    print(f"through libvirt {through} s, directly {direct} s: {ratio:.2f}")  # noqa: T201  # for -s
    assert ratio < MOST, (through, direct)
