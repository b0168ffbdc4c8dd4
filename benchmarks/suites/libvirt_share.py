"""Start a VM by its QEMU command line, without libvirt: the time saved is libvirt's share."""

import subprocess
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

from vmdriver.harness import SERIAL, Console, Ports, words

_LIMIT_S = 60.0
_OF_LIBVIRT = {"-mon": 2, "-S": 1}
"""Options for libvirt alone (a monitor on a descriptor, halted CPUs), and their length."""


def without_libvirt(argv: list[str]) -> list[str]:
    """Return QEMU's command line without monitor, halt and secret file, which only libvirt uses."""
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


def start_directly(
    argv: list[str], sockets: Mapping[str, Path], payload: tuple[str, ...]
) -> dict[str, int]:
    """Start QEMU without libvirt, up to its payload's first byte, and kill it.

    Args:
        argv: QEMU's command line.
        sockets: Its ports, at the paths they had when it was started through libvirt.
        payload: The guest's workload.

    Returns:
        The boundaries it passed, ``requested`` first, in nanoseconds of CLOCK_MONOTONIC.

    Raises:
        RuntimeError: The guest did not get there within 60 s.
    """
    log = sockets[SERIAL].with_suffix(".log")
    with closing(Ports(sockets, Console(log, 1 << 16), lambda *_: None)) as ports:
        log.unlink()  # nobody reads it; open, it serves as well
        ports.stamp("requested")
        with subprocess.Popen(argv, stderr=subprocess.DEVNULL) as qemu:
            try:
                _await(ports, "connected")
                line = f"payload {words(payload, {}, '/')}\n"
                ports.send("control", line.encode(), _LIMIT_S)
                _await(ports, "main")
            finally:
                qemu.kill()
        return dict(ports.stamps)


def _await(ports: Ports, boundary: str) -> None:
    with ports.changed:
        if not ports.changed.wait_for(lambda: boundary in ports.stamps, _LIMIT_S):
            raise RuntimeError(f"a QEMU started without libvirt did not reach {boundary}")
