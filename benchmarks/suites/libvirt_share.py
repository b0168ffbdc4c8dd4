"""Starts of one VM through libvirt and by its own QEMU command line, in turns."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from vmdriver import Driver, VmConfig
from vmdriver.channels import Channels
from vmdriver.console import Console
from vmdriver.domain import PORTS, SERIAL
from vmdriver.shellwords import words

if TYPE_CHECKING:
    from benchmarks.image import Image

THROUGH, DIRECTLY = "through libvirt", "directly"
_PAYLOAD = ("sh", "-c", "echo m >&3; exec sleep 600")
_LIMIT_S = 60.0
_OF_LIBVIRT = {"-mon": 2, "-S": 1}
"""libvirt's own: a monitor on an inherited descriptor, a start with halted CPUs."""


def without_libvirt(argv: list[str]) -> list[str]:
    """QEMU's command line less what only libvirt could use: monitor, halt, secret in a file."""
    kept, skip = [], 0
    for number, argument in enumerate(argv):
        following = argv[number + 1] if number + 1 < len(argv) else ""
        if "charmonitor" in following or '"secret"' in following:
            skip = 2
        skip = _OF_LIBVIRT.get(argument, skip)
        if skip:
            skip -= 1
        else:
            kept.append(argument)
    return kept


def start_directly(argv: list[str], folder: Path, payload: tuple[str, ...]) -> tuple[int, int]:
    """Start QEMU without libvirt, up to its payload's first byte, and kill it.

    Args:
        argv: QEMU's command line; its ports are the sockets ``NAME.PORT`` in ``folder``.
        folder: where the VM was started through libvirt before.
        payload: what the guest runs.

    Returns:
        When it was asked for and when the byte came, in nanoseconds of CLOCK_MONOTONIC.

    Raises:
        RuntimeError: The guest did not get there within 60 s.
    """
    sockets = {port: folder / f"share.{port}" for port in (SERIAL, *PORTS)}
    log = folder / "share.log"
    with closing(Channels(sockets, Console(log, 1 << 16), lambda *_: None)) as channels:
        log.unlink()  # nobody reads it; open, it serves as well
        asked = time.monotonic_ns()
        with subprocess.Popen(argv, stderr=subprocess.DEVNULL) as qemu:
            try:
                _await(channels, "connected")
                line = f"payload {words(payload, {}, '/')}\n"
                channels.send("control", line.encode(), _LIMIT_S)
                _await(channels, "main")
            finally:
                qemu.kill()
        return asked, channels.stamps["main"]


def _await(channels: Channels, boundary: str) -> None:
    with channels.changed:
        if not channels.changed.wait_for(lambda: boundary in channels.stamps, _LIMIT_S):
            raise RuntimeError(f"a QEMU started without libvirt did not reach {boundary}")


def measure(image: Image, rounds: int) -> dict[str, list[tuple[int, int]]]:
    """Start each way in turns, after a first pair that is thrown away.

    Returns:
        Way to pairs of stamps: asked, and the payload's first byte.
    """
    cpu = max(os.sched_getaffinity(0))
    config = VmConfig(
        name="share",
        kernel=image.vmlinux,
        initrd=image.initramfs,
        disk=image.block,
        cpuset=frozenset({cpu}),
        payload=_PAYLOAD,
    )
    found: dict[str, list[tuple[int, int]]] = {THROUGH: [], DIRECTLY: []}
    with tempfile.TemporaryDirectory(prefix="tare-share-") as state, Driver(Path(state)) as driver:
        for _ in range(1 + rounds):
            with driver.start(config) as vm:
                found[THROUGH].append((vm.stamps["requested"], vm.stamps["main"]))
                argv, folder = without_libvirt(vm.argv), vm.sockets[SERIAL].parent
            argv = ["taskset", "-c", str(cpu), *argv]
            found[DIRECTLY].append(start_directly(argv, folder, _PAYLOAD))
    return {way: stamps[1:] for way, stamps in found.items()}
