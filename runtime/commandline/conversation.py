"""What a process that is being made says to the command that makes it, and hears from it."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING, Self

from runtime.errors import ExecError, SetupError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runtime.operations import Operation


class Conversation:
    """Our end of the socket to it; a context manager.

    Args:
        plan: its steps, of which a failure names one.
        channel: our end; made together with `theirs` where None.
    """

    def __init__(self, plan: Sequence[Operation], channel: socket.socket | None = None) -> None:
        self._plan = plan
        self.theirs: socket.socket | None = None
        if channel is None:
            channel, self.theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._channel = channel

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._channel.close()
        self.release()

    def release(self) -> None:
        """Close their end, which the process has by now."""
        if self.theirs:
            self.theirs.close()
            self.theirs = None

    def tell(self, token: str) -> None:
        """Let it go on; where it has failed meanwhile, its own message says why."""
        try:
            self._channel.send(token.encode())
        except ConnectionError:
            return

    def hear(self) -> str:
        """The letter of its next message, "" when it has executed or ended.

        Raises:
            SetupError: it says that a step failed.
            ExecError: likewise, for the program itself.
        """
        while True:
            try:
                data = self._channel.recv(65536)
                break
            except ConnectionResetError:
                continue  # it left something of ours unread; what it wrote comes next (unix(7))
        if data[:1] != b"e":
            return data[:1].decode()
        step, number, reason = data[1:].decode("utf-8", "replace").split(" ", 2)
        what = os.strerror(int(number)).lower()
        reason = f"{reason}: {what}" if reason else what
        place = int(step)
        if not 0 <= place < len(self._plan):
            raise SetupError("arrange its descriptors", reason, int(number))
        failed = self._plan[place]
        missing = type(failed).__name__ in ("Exec", "FindProgram")
        raise (ExecError if missing else SetupError)(failed.describe(), reason, int(number))
