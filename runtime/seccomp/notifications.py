"""The descriptor on which the kernel reports calls that a filter hands over.

Source: seccomp_unotify(2); include/uapi/linux/seccomp.h.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import struct
import time
from typing import NamedTuple

from runtime.errors import SetupError

_RECEIVE, _SEND, _SET_FLAGS = 0xC0502100, 0xC0182101, 0x40082104
_NOTIFICATION = struct.Struct("=QIIiIQ6Q")
_RESPONSE = struct.Struct("=QqiI")
_CONTINUE = 1
_SYNC_WAKE_UP = 1
_PIDFD_GETFD = 438
_LINK = "anon_inode:seccomp notify"
_LOOK_S = 0.0005


class Notification(NamedTuple):
    """One call that waits for an answer.

    Attributes:
        id: to answer it with.
        pid: thread that made it, as the listener's owner sees it.
        arch: AUDIT_ARCH_* of the entry.
        number: of the call.
        args: its six arguments.
    """

    id: int
    pid: int
    arch: int
    number: int
    args: tuple[int, ...]


class Listener:
    """Receives notifications and answers them; owns the descriptor, which may be polled.

    POLLIN: a call waits. POLLHUP: the last process under the filter has ended (since Linux 5.9).
    Once it is closed, every further call that would be reported fails with ENOSYS.
    """

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._buffer = bytearray(_NOTIFICATION.size)
        try:  # since Linux 6.6: whoever waits for the answer runs next, on the same CPU
            fcntl.ioctl(fd, _SET_FLAGS, _SYNC_WAKE_UP)
        except OSError as error:
            if error.errno not in (errno.EINVAL, errno.ENOTTY):
                raise

    def fileno(self) -> int:
        """The descriptor."""
        return self._fd

    def close(self) -> None:
        """Close the descriptor; idempotent."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def receive(self) -> Notification | None:
        """The next call; None where its process ended before it could be received."""
        self._buffer[:] = bytes(_NOTIFICATION.size)  # the kernel insists on zeros
        try:
            fcntl.ioctl(self._fd, _RECEIVE, self._buffer)
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.EINTR):
                return None
            raise
        number, pid, _, call, arch, _, *args = _NOTIFICATION.unpack(self._buffer)
        return Notification(number, pid, arch, call, tuple(args))

    def carry_on(self, notification: Notification) -> None:
        """Let the call happen as if there were no filter."""
        self._answer(notification.id, 0, _CONTINUE)

    def refuse(self, notification: Notification, number: int) -> None:
        """Make the call fail with this error number."""
        self._answer(notification.id, -number, 0)

    def _answer(self, cookie: int, error: int, flags: int) -> None:
        try:
            fcntl.ioctl(self._fd, _SEND, _RESPONSE.pack(cookie, 0, error, flags))
        except OSError as failure:
            if failure.errno != errno.ENOENT:  # killed, or interrupted by a signal, meanwhile
                raise


def take_listener(pid: int, timeout_s: float = 10.0) -> int:
    """Fetch the listener's descriptor out of a process that has just loaded its filter.

    The process need not do anything, and may already hang in its first reported call. Needs the
    right to trace it: as root, or of the same user where it is dumpable (pidfd_getfd(2)).

    Args:
        pid: of the process, a child of the caller, so that the number cannot mean another.
        timeout_s: how long to wait for it to load the filter.

    Raises:
        SetupError: it ended, may not be traced, or loaded none in time.
    """
    what = f"take the seccomp listener of process {pid}"
    end = time.monotonic() + timeout_s
    pidfd = os.pidfd_open(pid)
    try:
        while time.monotonic() < end:
            number = _find(pid, what)
            if number is not None:
                return _fetch(pidfd, number, what)
            time.sleep(_LOOK_S)
    finally:
        os.close(pidfd)
    raise SetupError(what, f"it has loaded no filter with a listener for {timeout_s:g} s")


def _find(pid: int, what: str) -> int | None:
    folder = f"/proc/{pid}/fd"
    try:
        for name in os.listdir(folder):  # noqa: PTH208  # a name each, hundreds of times
            try:
                if os.readlink(f"{folder}/{name}") == _LINK:  # noqa: PTH115  # likewise
                    return int(name)
            except FileNotFoundError:
                continue  # closed meanwhile
    except OSError as error:
        raise SetupError(what, error.strerror or str(error), error.errno or 0) from error
    return None


def _fetch(pidfd: int, number: int, what: str) -> int:
    libc = ctypes.CDLL(None, use_errno=True)
    fd: int = libc.syscall(ctypes.c_long(_PIDFD_GETFD), pidfd, number, 0)
    if fd < 0:
        code = ctypes.get_errno()
        raise SetupError(what, os.strerror(code), code)
    return fd
