"""A process that the spawner answers for: a container's first, or one executed into it."""

from __future__ import annotations

import errno
import fcntl
import os
import select
import signal
import struct
import termios
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from runtime.errors import SetupError, StateError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from runtime.spawner.client import Link


class SpawnedProcess:
    """One process that the spawner answers for.

    Attributes:
        id: name within the engine.
        pid: host process id.
        pidfd: descriptor of it; becomes readable when it ends.
        stamps: boundary to CLOCK_MONOTONIC nanoseconds.
        terminal: master of its terminal, None where it has none; closed along with it.
        deleted: whether the spawner knows nothing of it any more.
        listener: descriptor of its filter's notifications (seccomp_unotify(2)), None without.
    """

    def __init__(self, link: Link, name: str, answer: dict[str, Any], fds: Sequence[int]) -> None:
        self.id = name
        self.pid: int = answer["pid"]
        self.pidfd, *others = fds
        self.terminal = others.pop(0) if answer["terminal"] else None
        self.listener = others.pop(0) if answer["listener"] else None
        self.stamps: dict[str, int] = answer["stamps"]
        self._link = link
        self._status: int | None = None
        self.deleted = False

    def wait(self, timeout_s: float | None = None) -> int | None:
        """Wait for the end; the exit status as a shell has it (128 + signal), None on timeout.

        Raises:
            EngineError: the spawner is gone, and the status with it.
        """
        if self._status is not None:
            return self._status
        if self.deleted:
            raise StateError(f"{self.id} is deleted; its exit status went with it")
        if not self._ended(timeout_s):
            return None
        while self._status is None:
            answer, _ = self._link.ask(
                {"verb": "status", "what": f"ask how {self.id} ended", "id": self.id}
            )
            self._status = answer["status"]
        return self._status

    def send_signal(self, number: int) -> None:
        """Signal it; nothing happens where it has ended."""
        if self.deleted:
            return
        try:
            signal.pidfd_send_signal(self.pidfd, number)
        except ProcessLookupError:
            return

    def take_listener(self) -> int:
        """Take over the descriptor of its filter's notifications, which is the caller's from now.

        Raises:
            StateError: it has none, or it was taken already.
        """
        listener, self.listener = self.listener, None
        if listener is None:
            raise StateError(f"{self.id} has no filter that reports")
        return listener

    def resize(self, rows: int, columns: int) -> None:
        """Tell the terminal its size (ioctl_tty(2)); programs inside get SIGWINCH.

        Raises:
            StateError: it has no terminal.
        """
        if self.terminal is None:
            raise StateError(f"{self.id} has no terminal to resize; set process.terminal")
        size = struct.pack("4H", rows, columns, 0, 0)
        fcntl.ioctl(self.terminal, termios.TIOCSWINSZ, size)

    @property
    def running(self) -> bool:
        """Whether the process has not ended yet."""
        return not self.deleted and not self._ended(0)

    def _ended(self, timeout_s: float | None) -> bool:
        poll = select.poll()
        poll.register(self.pidfd, select.POLLIN)
        return bool(poll.poll(None if timeout_s is None else max(0, timeout_s) * 1000))

    def _forget(self, what: str) -> None:
        """Have the spawner end and forget it, and all that was executed into it."""
        statuses: dict[str, int | None] = {}
        try:
            answer, _ = self._link.ask({"verb": "delete", "what": what, "id": self.id})
            statuses = answer["statuses"]
        except SetupError as error:
            if error.errno == errno.ETIMEDOUT:  # the spawner still has it
                raise
            self.let_go(statuses)
            raise
        except BaseException:
            self.let_go(statuses)
            raise
        self.let_go(statuses)

    def let_go(self, statuses: Mapping[str, int | None]) -> None:
        """Close what this process holds of it, which the spawner knows no more.

        Args:
            statuses: how it ended, by id, where that is known.
        """
        if self.deleted:
            return
        self.deleted = True
        for fd in (self.pidfd, self.terminal, self.listener):
            if fd is not None:
                os.close(fd)
        self.terminal = self.listener = None
        if self._status is None:
            self._status = statuses.get(self.id)


def await_init(pid: int) -> None:
    """Wait until an init takes signals, at most a tenth of a second after its exec.

    The kernel drops a signal for a PID 1 that neither handles nor blocks it (signal(7),
    pid_namespaces(7)); an init blocks all of them first, to read them from a descriptor.
    """
    for _ in range(100):
        try:
            lines = Path(f"/proc/{pid}/status").read_text().splitlines()
            blocked = next(line for line in lines if line.startswith("SigBlk"))
        except (OSError, StopIteration):
            return
        if int(blocked.split()[1], 16):
            return
        time.sleep(0.001)


class ContainerProcess(SpawnedProcess):
    """A process executed into a running container; a context manager whose end closes it.

    Holds a descriptor here and one in the spawner until it is closed or its container is deleted.
    """

    def __init__(
        self,
        link: Link,
        name: str,
        answer: dict[str, Any],
        fds: Sequence[int],
        forget: Callable[[str], None],
    ) -> None:
        super().__init__(link, name, answer, fds)
        self._forget_by = forget

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def kill(self) -> None:
        """SIGKILL it."""
        self.send_signal(signal.SIGKILL)

    def close(self) -> None:
        """Kill it where it still runs and let go of it; idempotent."""
        if not self.deleted:
            self._forget(f"forget {self.id}")

    def let_go(self, statuses: Mapping[str, int | None]) -> None:
        """Close what this process holds of it; how it ended stays known."""
        super().let_go(statuses)
        self._forget_by(self.id)
