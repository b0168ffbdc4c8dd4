"""A wait for a process's end that passes on its signals, terminal and exit status."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
from typing import TYPE_CHECKING, Self

from runtime import syscalls
from runtime.cli.sockets import receive_descriptor
from runtime.cli.terminal import Terminal

if TYPE_CHECKING:
    from collections.abc import Callable

    from runtime.cli.notify import Readiness

#: Not passed on: the first is about our own children, the second is how Go's programs wake their
#: threads, nobody catches the others.
_OWN = {signal.SIGCHLD, signal.SIGURG, signal.SIGKILL, signal.SIGSTOP}
_KILLED = 128


class Follower:
    """A command that stays; a context manager, in which signals are kept for the process.

    Args:
        terminal: whether the process gets one that is to be copied.

    Attributes:
        console: where to send that terminal, None without one.
    """

    def __init__(self, *, terminal: bool) -> None:
        self.console: socket.socket | None = None
        self._ours: socket.socket | None = None
        if terminal:
            self._ours, self.console = socket.socketpair()
        self._woken, self._wakeup = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)

    def __enter__(self) -> Self:
        signal.set_wakeup_fd(self._wakeup, warn_on_full_buffer=False)
        for number in signal.valid_signals() - _OWN:
            with contextlib.suppress(OSError, ValueError):
                signal.signal(number, lambda *_: None)
        return self

    def __exit__(self, *_: object) -> None:
        signal.set_wakeup_fd(-1)
        for fd in (self._woken, self._wakeup):
            os.close(fd)
        for channel in (self.console, self._ours):
            if channel:
                channel.close()

    def follow(self, pid: int, pidfd: int, ready: Readiness | None = None) -> int:
        """Wait for a child, passing signals on and copying its terminal.

        Args:
            pid: of the child.
            pidfd: of the same.
            ready: where it says that it is ready.

        Returns:
            Its exit status as a shell has it.
        """
        if self._ours is None:
            self._serve(pidfd, None, ready)
        else:
            with Terminal(receive_descriptor(self._ours)) as terminal:
                self._serve(pidfd, terminal, ready)
        _, status = os.waitpid(pid, 0)
        code = os.waitstatus_to_exitcode(status)
        return code if code >= 0 else _KILLED - code

    def _serve(self, pidfd: int, terminal: Terminal | None, ready: Readiness | None) -> None:
        handlers: dict[int, Callable[[], object]] = {
            self._woken: lambda: self._pass_on(pidfd, terminal)
        }
        if ready and ready.fileno() >= 0:
            handlers[ready.fileno()] = ready.receive
        while True:
            poll = select.poll()
            poll.register(pidfd, select.POLLIN)
            for fd in handlers:
                poll.register(fd, select.POLLIN)
            for fd, events in terminal.interests().items() if terminal else ():
                poll.register(fd, events)
            happened = dict(poll.poll())
            for fd, handler in handlers.items():
                if fd in happened:
                    handler()
            if terminal:
                terminal.move(happened)
            if pidfd in happened:
                break
        if terminal:
            terminal.drain()

    def _pass_on(self, pidfd: int, terminal: Terminal | None) -> None:
        for number in os.read(self._woken, 4096):
            if number == signal.SIGWINCH and terminal:
                terminal.take_size()
                continue
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(pidfd, number)


def become_subreaper() -> None:
    """Be the parent of whatever the commands that we call leave behind (prctl(2))."""
    syscalls.prctl(syscalls.PR_SET_CHILD_SUBREAPER, 1)
