"""The channel between a command and the process it makes: reports, errors, go-aheads."""

from __future__ import annotations

import os
import socket
import struct

from runtime.errors import ExecError, HookError, SetupError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Self

    from runtime.plan.steps import Operation

_LONGEST = 65536
#: By the name of the step that failed.
_ERRORS = {"Exec": ExecError, "FindProgram": ExecError, "RunHook": HookError}
_FD = struct.Struct("=i")


class Conversation:
    """Our end of the socket to it; a context manager.

    Args:
        plan: gives its steps, of which a failure names one.
        channel: our end; made together with theirs where None.
    """

    def __init__(
        self, plan: Callable[[], Sequence[Operation]], channel: socket.socket | None = None
    ) -> None:
        self._plan = plan
        self._theirs: socket.socket | None = None
        self._said = ""
        self._fd = -1
        if channel is None:
            channel, self._theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._channel = channel

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._channel.close()
        self.release()
        self.drop()

    def theirs(self) -> int:
        """Descriptor of its end."""
        assert self._theirs is not None
        return self._theirs.fileno()

    def release(self) -> None:
        """Close its end, which it has by now."""
        if self._theirs:
            self._theirs.close()
            self._theirs = None

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
            HookError: likewise, for a hook; ExecError: for the program itself.
        """
        while True:
            try:
                data, ancillary, _, _ = self._channel.recvmsg(
                    _LONGEST, socket.CMSG_SPACE(_FD.size), socket.MSG_CMSG_CLOEXEC
                )
                break
            except ConnectionResetError:
                continue  # it left something of ours unread; what it wrote comes next (unix(7))
        self.drop()
        if ancillary:
            self._fd = _FD.unpack(ancillary[0][2][: _FD.size])[0]
        word, self._said = data[:1].decode(), data[1:].decode("utf-8", "replace")
        if word == "e":
            self._fail()
        return word

    def take(self) -> int:
        """The descriptor that came with the last word; the caller's from now on.

        Raises:
            SetupError: none did.
        """
        fd, self._fd = self._fd, -1
        if fd < 0:
            raise SetupError("take a descriptor of the process", "it sent none")
        return fd

    def drop(self) -> None:
        """Close the descriptor that nobody took."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _fail(self) -> None:
        step, number, reason = self._said.split(" ", 2)
        what = os.strerror(int(number)).lower()
        reason = f"{reason}: {what}" if reason else what
        steps, place = self._plan(), int(step)
        if not 0 <= place < len(steps):
            raise SetupError("arrange its descriptors", reason, int(number))
        failed = steps[place]
        error = _ERRORS.get(type(failed).__name__, SetupError)
        raise error(failed.describe(), reason, int(number))
