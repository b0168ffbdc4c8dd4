"""The static busybox: what runs first in every sandbox, and all that a guest's initramfs has.

A distribution's image has it as a package. To an imported one that has none it is lent.
"""

import shutil
import sys
from pathlib import Path

from benchmarks.image.errors import MissingToolError
from benchmarks.image.inside import resolved

_NAMES = ("bin/busybox", "usr/bin/busybox", "bin/busybox.static", "sbin/busybox")
_LINKERS = (b"/ld-linux", b"/ld-musl", b"/ld64")
_HEAD = 4096
_MACHINE = slice(18, 20)  # e_machine, elf(5)


def find(root: Path) -> Path:
    """A static busybox: that of the tree at `root`, or else the host's.

    Raises:
        MissingToolError: neither has one.
    """
    places = [resolved(root, name) for name in _NAMES]
    named = shutil.which("busybox.static") or shutil.which("busybox")
    places += [None if named is None else Path(named)]
    for path in places:
        if path is not None and is_static(path):
            return path
    raise MissingToolError(
        "there is no static busybox, neither in the image nor on this host; install busybox-static "
        "(on Fedora and Arch: busybox)"
    )


def is_static(path: Path) -> bool:
    """Is it a program of this host's architecture that needs no linker?"""
    head = _head(path)
    static = head.startswith(b"\x7fELF") and not any(name in head for name in _LINKERS)
    return static and not is_foreign(path)


def is_foreign(program: Path) -> bool:
    """Is it a program of another architecture than this host's?"""
    head = _head(program)
    return head.startswith(b"\x7fELF") and head[_MACHINE] != _head(Path(sys.executable))[_MACHINE]


def _head(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(_HEAD)
    except OSError:
        return b""
