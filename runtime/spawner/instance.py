"""One process that the spawner made and answers for."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import socket

    from runtime.cgroups import Group


class Instance:
    """A container's first process, or one that was executed into it.

    Attributes:
        control: our end of the socket to it until it has executed, then None.
        reply: where the answer to the request goes, until it was given.
        status: exit status as a shell has it (128 + signal), None while it runs.
    """

    def __init__(
        self,
        name: str,
        pid: int,
        pidfd: int,
        *,
        group: Group | None,
        reply: socket.socket,
        control: socket.socket,
        stamps: dict[str, int],
    ) -> None:
        self.name = name
        self.pid = pid
        self.pidfd = pidfd
        self.group = group
        self.reply: socket.socket | None = reply
        self.control: socket.socket | None = control
        self.stamps = stamps
        self.steps: list[tuple[str, int]] = []
        self.failure: tuple[str, str, str, int] | None = None
        self.status: int | None = None
        self.waiters: list[socket.socket] = []

    def hear(self, data: bytes) -> None:
        """Take one message of the child: ready, steps, or a failure."""
        kind, rest = data[:1], data[1:]
        if kind == b"r":
            self.stamps["ready"] = int(rest)
        elif kind == b"s":
            pairs = (entry.split("=") for entry in rest.decode().split(",") if entry)
            self.steps = [(name, int(stamp)) for name, stamp in pairs]
        elif kind == b"e":
            step, what, reason, number = rest.decode("utf-8", "replace").split("\0")
            self.failure = (step, what, reason, int(number))

    def answer(self) -> dict[str, Any]:
        """What the engine is told once the workload runs."""
        return {
            "pid": self.pid,
            "stamps": self.stamps,
            "steps": self.steps,
            "cgroups": self.group.paths if self.group else {},
        }

    def signal(self, number: int) -> None:
        """Signal the first process; nothing happens where it is gone."""
        if self.status is None:
            try:
                signal.pidfd_send_signal(self.pidfd, number)
            except ProcessLookupError:
                return

    def reap(self) -> None:
        """Collect the exit status; the process must have ended."""
        _, status = os.waitpid(self.pid, 0)
        code = os.waitstatus_to_exitcode(status)
        self.status = code if code >= 0 else 128 - code
