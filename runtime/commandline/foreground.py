"""Staying with a process until it ends: its terminal, its signals, its exit status."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import select
import signal
import socket
import sys
import tempfile
import termios
import tty
from pathlib import Path
from typing import TYPE_CHECKING, Self

from runtime import syscalls
from runtime.commandline.making import receive_descriptor

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Not passed on: the first is about our own children, the second is the interpreter's of Go.
_OWN = {signal.SIGCHLD, signal.SIGURG, signal.SIGKILL, signal.SIGSTOP}
_KILLED = 128


class Console:
    """A socket to which a process's terminal is sent; a context manager that removes it.

    Attributes:
        path: of the socket.
    """

    def __enter__(self) -> Self:
        self._folder = tempfile.mkdtemp(prefix="tare-oci-")
        self.path = f"{self._folder}/console"
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(self.path)
        self._listener.listen(1)
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()
        Path(self.path).unlink(missing_ok=True)
        Path(self._folder).rmdir()

    def master(self) -> int:
        """The terminal's master, once the process has been made."""
        connection, _ = self._listener.accept()
        with connection:
            return receive_descriptor(connection)


def become_subreaper() -> None:
    """Be the parent of whatever the commands that we call leave behind (prctl(2))."""
    syscalls.prctl(syscalls.PR_SET_CHILD_SUBREAPER, 1)


def follow(pid: int, pidfd: int, master: int = -1) -> int:
    """Wait for a child, passing signals on and copying its terminal; its status as a shell has it.

    Args:
        pid: of the child.
        pidfd: of the same, closed in the end.
        master: of its terminal, closed in the end; -1 for none.
    """
    woken, wakeup = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.set_wakeup_fd(wakeup)
    for number in signal.valid_signals() - _OWN:
        with contextlib.suppress(OSError, ValueError):
            signal.signal(number, lambda *_: None)
    try:
        with _raw_terminal(master):
            _copy(pidfd, woken, master)
    finally:
        signal.set_wakeup_fd(-1)
        for fd in (woken, wakeup, pidfd, master):
            if fd >= 0:
                os.close(fd)
    _, status = os.waitpid(pid, 0)
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else _KILLED - code


def _copy(pidfd: int, woken: int, master: int) -> None:
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    poll.register(woken, select.POLLIN)
    if master >= 0:
        _take_size(master)
        poll.register(master, select.POLLIN)
        poll.register(0, select.POLLIN)
    ended = False
    while not ended:
        for fd, event in poll.poll():
            if fd == pidfd:
                ended = True
            elif fd == woken:
                _pass_on(os.read(woken, 4096), pidfd, master)
            elif fd == master and not _move(master, 1):
                poll.unregister(master)
            elif fd == 0 and (not event & select.POLLIN or not _move(0, master)):
                poll.unregister(0)
    while master >= 0 and _readable(master) and _move(master, 1):
        pass


def _readable(fd: int) -> bool:
    return bool(select.select([fd], [], [], 0)[0])


def _move(source: int, target: int) -> bool:
    """Copy what is there; False at the end. A terminal whose other side is shut says EIO."""
    try:
        data = os.read(source, 65536)
    except OSError as error:
        if error.errno in (errno.EIO, errno.EBADF):
            return False
        raise
    view = memoryview(data)
    while view:
        view = view[os.write(target, view) :]
    return bool(data)


def _pass_on(numbers: bytes, pidfd: int, master: int) -> None:
    for number in numbers:
        if number == signal.SIGWINCH and master >= 0:
            _take_size(master)
            continue
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(pidfd, number)


def _take_size(master: int) -> None:
    with contextlib.suppress(OSError):
        size = fcntl.ioctl(0, termios.TIOCGWINSZ, b"\0" * 8)
        fcntl.ioctl(master, termios.TIOCSWINSZ, size)


@contextlib.contextmanager
def _raw_terminal(master: int) -> Iterator[None]:
    """Our own terminal hands every key on while a terminal is copied, and is restored after."""
    if master < 0 or not sys.stdin.isatty():
        yield
        return
    before = termios.tcgetattr(0)
    tty.setraw(0)
    try:
        yield
    finally:
        termios.tcsetattr(0, termios.TCSADRAIN, before)
