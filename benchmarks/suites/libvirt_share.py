"""Starts a VM by its own QEMU command line, without libvirt: what is missing is libvirt's share."""

from __future__ import annotations

import subprocess
from contextlib import closing
from typing import TYPE_CHECKING

from vmdriver.harness import SERIAL, Console, Ports, words

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

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


def start_directly(
    argv: list[str], sockets: Mapping[str, Path], payload: tuple[str, ...]
) -> dict[str, int]:
    """Start QEMU without libvirt, up to its payload's first byte, and kill it.

    Args:
        argv: QEMU's command line.
        sockets: its ports, where it had them when it was started through libvirt.
        payload: what the guest runs.

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
