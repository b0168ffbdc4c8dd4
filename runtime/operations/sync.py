"""Steps that wait for the spawner, and namespaces that can only be entered late."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from runtime import syscalls

if TYPE_CHECKING:
    from runtime.operations.context import Context

TOKENS = {b"m": "the id mappings are written", b"g": "the cgroup limits hold"}


class Await(NamedTuple):
    """Wait for a token from the spawner; meanwhile it works on the other processor."""

    token: bytes

    def describe(self) -> str:
        return f"wait until {TOKENS[self.token]}"

    def apply(self, context: Context) -> None:
        while self.token not in context.tokens:
            received = os.read(context.control, 16)
            if not received:
                raise OSError(0, "the spawner went away")
            context.tokens += received


class Unshare(NamedTuple):
    """Make one more namespace, after what it must capture (the cgroup) is in place."""

    name: str
    flag: int

    def describe(self) -> str:
        return f"make a {self.name} namespace"

    def apply(self, context: Context) -> None:
        os.unshare(self.flag)


class OffsetClock(NamedTuple):
    """Shift a clock of the time namespace (time_namespaces(7)); takes effect with the exec."""

    clock: str
    offset_ns: int

    def describe(self) -> str:
        return f"set the {self.clock} clock of the time namespace {self.offset_ns} ns ahead"

    def apply(self, context: Context) -> None:
        seconds, nanoseconds = divmod(self.offset_ns, 1_000_000_000)
        # the change of ids made this process non-dumpable, and its /proc files the host root's
        syscalls.prctl(syscalls.PR_SET_DUMPABLE, 1)
        _write("/proc/self/timens_offsets", f"{self.clock} {seconds} {nanoseconds}\n")
        syscalls.prctl(syscalls.PR_SET_DUMPABLE, 0)


class Join(NamedTuple):
    """Enter an existing namespace by its path (setns(2))."""

    name: str
    path: str
    flag: int

    def describe(self) -> str:
        return f"join the {self.name} namespace {self.path}"

    def apply(self, context: Context) -> None:
        fd = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.setns(fd, self.flag)
        finally:
            os.close(fd)


def _write(path: str, text: str) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(fd, text.encode())
    finally:
        os.close(fd)
