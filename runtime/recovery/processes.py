"""Which process is meant by a number: a pid is used again, so its start and the boot belong to it.

Read by commands of a few milliseconds, so nothing but `os` is imported.
"""

from __future__ import annotations

import os

_ENDED = "ZX"


def boot_id() -> str:
    """Random name of this boot of the host: pids and start times of another mean nothing."""
    return _read("/proc/sys/kernel/random/boot_id").strip()


def start_time(pid: int) -> int | None:
    """Start of a process in clock ticks since boot (proc_pid_stat(5)), None where it has ended.

    One that has ended and that nobody has waited for yet counts as ended.
    """
    try:
        text = _read(f"/proc/{pid}/stat")
    except OSError:
        return None
    fields = text.rpartition(")")[2].split()
    return None if fields[0] in _ENDED else int(fields[19])


def executable(pid: int) -> str | None:
    """Path of the program that a process executes, None where we cannot see it."""
    try:
        return os.readlink(f"/proc/{pid}/exe")
    except OSError:
        return None


def _read(path: str) -> str:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.read(fd, 4096).decode("utf-8", "replace")
    finally:
        os.close(fd)
