"""Marks the host plants so that a leak is something seen, not something guessed.

Each mark is harmless, random and gone with the process that made it, also after SIGKILL: the
segment is destroyed at its last detach, the socket and the lock are closed by the kernel, the
process ends when its standard input does, the key expires. Only the file in /dev/shm outlives a
kill; the next planting removes those whose owner is gone.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import platform
import secrets
import socket
import struct
import subprocess
import tempfile
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.experiments.probes.numbers import call_number

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SHARED_MEMORY = Path("/dev/shm")  # noqa: S108  # the place of POSIX shared memory
PREFIX = "tare-mark-"
KEY_SECONDS = 600

_IPC_CREAT, _IPC_RMID, _PRIVATE = 0o1000, 0, 0
_SESSION_KEYRING = -3
_KEYCTL_REVOKE, _KEYCTL_SET_TIMEOUT = 3, 15


@contextmanager
def planted() -> Iterator[dict[str, str]]:
    """Plant every mark the host allows; all are removed on leaving.

    Yields:
        Kind of object to the mark to look for. A kind is missing where planting was refused;
        its probe then errs, it does not call the sandbox safe.
    """
    name = f"{PREFIX}{os.getpid()}-{secrets.token_hex(6)}"
    marks: dict[str, str] = {}
    with ExitStack() as stack:
        for kind, plant in _PLANTS.items():
            with contextlib.suppress(OSError):
                marks[kind] = plant(stack, name)
        yield marks


def _process(stack: ExitStack, name: str) -> str:
    """Start a process that bears the mark as an argument and ends with its standard input.

    It says when it runs: for a moment after exec(2) its command line is still empty.
    """
    child = stack.enter_context(
        subprocess.Popen(
            ["/bin/sh", "-c", "echo; read -r _", name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
    )
    assert child.stdin is not None
    assert child.stdout is not None
    stack.callback(child.stdin.close)
    child.stdout.read(1)
    return name


def _segment(stack: ExitStack, name: str) -> str:
    """Make a System V segment of an odd size, already marked for destruction (shmctl(2))."""
    del name
    libc = ctypes.CDLL(None, use_errno=True)
    libc.shmat.restype = ctypes.c_void_p
    libc.shmat.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_int]
    libc.shmdt.argtypes = [ctypes.c_void_p]
    size = 100_000 + secrets.randbelow(800_000) | 1
    identifier = libc.shmget(_PRIVATE, ctypes.c_size_t(size), _IPC_CREAT | 0o600)
    if identifier < 0:
        raise OSError(ctypes.get_errno(), "shmget")
    address = libc.shmat(identifier, None, 0)
    libc.shmctl(identifier, _IPC_RMID, None)
    if address in {None, ctypes.c_void_p(-1).value}:
        raise OSError(ctypes.get_errno(), "shmat")
    stack.callback(libc.shmdt, address)
    return f" {size} "


def _shared_file(stack: ExitStack, name: str) -> str:
    for left in SHARED_MEMORY.glob(f"{PREFIX}*"):
        owner = left.name.removeprefix(PREFIX).partition("-")[0]
        if not Path(f"/proc/{owner}").exists():
            left.unlink(missing_ok=True)
    path = SHARED_MEMORY / name
    path.touch()
    stack.callback(path.unlink, missing_ok=True)
    return name


def _socket(stack: ExitStack, name: str) -> str:
    listener = stack.enter_context(socket.socket(socket.AF_UNIX))
    listener.bind(f"\0{name}")
    listener.listen(1)
    return f"@{name}"


def _lock(stack: ExitStack, name: str) -> str:
    """Lock an unnamed file; /proc/locks lists it by inode number."""
    del name
    file = stack.enter_context(tempfile.TemporaryFile())  # noqa: SIM115  # the stack closes it
    fcntl.flock(file, fcntl.LOCK_EX)
    return f":{os.fstat(file.fileno()).st_ino} "


def _open_file_lock(stack: ExitStack, name: str) -> str:
    """Lock an unnamed file for its open description and not for a process.

    /proc/locks leaves out locks of processes outside the reader's pid namespace; these belong to
    none, and every reader is shown them (fs/locks.c, locks_show).
    """
    del name
    file = stack.enter_context(tempfile.TemporaryFile())  # noqa: SIM115  # the stack closes it
    # struct flock of 64-bit Linux: type, whence, start, length, pid; 0 to the end, by nobody
    wanted = struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
    fcntl.fcntl(file, fcntl.F_OFD_SETLK, wanted)
    return f":{os.fstat(file.fileno()).st_ino} "


def _key(stack: ExitStack, name: str) -> str:
    """Add a key to the session keyring, which a careless runtime lets its children keep."""
    libc = ctypes.CDLL(None, use_errno=True)
    machine = platform.machine()
    add, control = call_number("add_key", machine), call_number("keyctl", machine)
    if add is None or control is None:
        raise OSError("no system call number for keys on this machine")
    serial = libc.syscall(add, b"user", name.encode(), b"-", 1, _SESSION_KEYRING)
    if serial < 0:
        raise OSError(ctypes.get_errno(), "add_key")
    libc.syscall(control, _KEYCTL_SET_TIMEOUT, serial, KEY_SECONDS, 0, 0)
    stack.callback(libc.syscall, control, _KEYCTL_REVOKE, serial, 0, 0, 0)
    return name


_PLANTS: dict[str, Callable[[ExitStack, str], str]] = {
    "process": _process,
    "segment": _segment,
    "shared file": _shared_file,
    "socket": _socket,
    "lock": _lock,
    "open file lock": _open_file_lock,
    "key": _key,
}
