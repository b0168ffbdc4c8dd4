"""Which process is meant by a number: a pid is used again, so its start and the boot belong to it.

And it means something in one pid namespace alone, so that belongs to it, too. Read by commands of a
few milliseconds, so little is imported.
"""

from __future__ import annotations

import contextlib
import os
import signal
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_ENDED = "ZX"

Fate = Literal["lives", "ended", "elsewhere"]


def identity(pid: int) -> dict[str, Any]:
    """What tells the process from every other, as a record keeps it.

    Namespaces are the recorder's pid namespace, in which the number means it, and the mount
    namespace in which the process itself lives (None where we may not look).
    """
    return {
        "pid": pid,
        "started": start_time(pid),
        "boot_id": boot_id(),
        "pid_namespace": namespace("self", "pid"),
        "mount_namespace": namespace(pid, "mnt"),
    }


def fate(record: Mapping[str, Any]) -> Fate:
    """What has become of the process that a record identifies.

    "elsewhere" where nobody here can tell: it was recorded in another pid namespace of this boot,
    or lives in another mount namespace than the one it was seen in.
    """
    if record.get("boot_id", boot_id()) != boot_id():
        return "ended"
    own = namespace("self", "pid")
    if record.get("pid_namespace", own) != own:
        return "elsewhere"
    pid = record["pid"]
    started = start_time(pid) if isinstance(pid, int) and pid > 0 else None
    if started is None or started != record.get("started"):
        return "ended"
    known, mount = record.get("mount_namespace"), namespace(pid, "mnt")
    return "elsewhere" if known and mount and known != mount else "lives"


def kill(pid: int, proven: Callable[[int], bool]) -> bool:
    """SIGKILL a process through its pidfd; whether it was killed.

    Args:
        pid: its number.
        proven: whether the process of that number is the one meant; asked once the pidfd is open,
            after which the number can no longer become another's unseen.
    """
    if pid <= 0 or pid == os.getpid():
        return False
    try:
        pidfd = os.pidfd_open(pid)
    except ProcessLookupError:
        return False
    try:
        if not proven(pid):
            return False
        signal.pidfd_send_signal(pidfd, signal.SIGKILL)
    except ProcessLookupError:
        return False
    finally:
        os.close(pidfd)
    return True


def namespace(pid: int | str, kind: str) -> str | None:
    """Name of a namespace of a process, as ``pid:[4026531836]``; None where we may not look."""
    with contextlib.suppress(OSError):
        return os.readlink(f"/proc/{pid}/ns/{kind}")
    return None


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
