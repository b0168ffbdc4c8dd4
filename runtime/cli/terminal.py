"""A copy loop between a container's terminal and a command's own input and output."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import select
import termios
import tty
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Mapping

_BLOCK = 65536
_IN, _OUT = 0, 1


class Terminal:
    """A context manager: our own terminal, if we have one, is raw meanwhile.

    Nothing here waits for the container to read: one that waits for us to take what it writes would
    never come to it.

    Args:
        master: of the container's terminal; owned from now on.
    """

    def __init__(self, master: int) -> None:
        self._master = master
        self._typed = bytearray()  # not yet taken by the container
        self._input = self._output = True
        self._before: list[Any] | None = None

    def __enter__(self) -> Self:
        os.set_blocking(self._master, False)
        self.take_size()
        if os.isatty(_IN):
            self._before = termios.tcgetattr(_IN)
            # not the default, which throws away what has been typed ahead
            tty.setraw(_IN, termios.TCSADRAIN)
        return self

    def __exit__(self, *_: object) -> None:
        if self._before is not None:
            with contextlib.suppress(termios.error):
                termios.tcsetattr(_IN, termios.TCSADRAIN, self._before)
        os.close(self._master)

    def take_size(self) -> None:
        """Give it the size of our own, where we have one."""
        with contextlib.suppress(OSError):
            size = fcntl.ioctl(_IN, termios.TIOCGWINSZ, b"\0" * 8)
            fcntl.ioctl(self._master, termios.TIOCSWINSZ, size)

    def interests(self) -> dict[int, int]:
        """Descriptors to wait for, with poll(2)'s events."""
        found = {}
        events = select.POLLIN * self._output | select.POLLOUT * bool(self._typed)
        if events:
            found[self._master] = events
        if self._input and not self._typed:
            found[_IN] = select.POLLIN
        return found

    def move(self, events: Mapping[int, int]) -> None:
        """Copy what can be copied now."""
        if _IN in events:
            self._typed += _read(_IN) or b""
            self._input = bool(self._typed)
        found = events.get(self._master, 0)
        if self._typed and found & select.POLLOUT:
            self._write_typed()
        if self._output and found & ~select.POLLOUT:
            self._output = self._show()

    def _write_typed(self) -> None:
        try:
            del self._typed[: os.write(self._master, self._typed)]
        except BlockingIOError:
            return
        except OSError:  # EIO: nobody has it open any more
            self._typed.clear()
            self._input = False

    def _show(self) -> bool:
        """Show what was written; False where nothing more will come."""
        data = _read(self._master)
        if data is None:
            return True
        view = memoryview(data)
        try:
            while view:
                view = view[os.write(_OUT, view) :]
        except OSError:  # whoever looked at it has gone; the container is not to stop for that
            return bool(data)
        return bool(data)

    def drain(self) -> None:
        """Show what is left once the container has ended."""
        while self._output and select.select([self._master], [], [], 0)[0]:
            self._output = self._show()


def _read(fd: int) -> bytes | None:
    """What is there; b"" at the end, None where nothing is there yet."""
    try:
        return os.read(fd, _BLOCK)
    except BlockingIOError:
        return None
    except OSError as error:
        # EIO: a terminal whose other side is shut
        if error.errno in (errno.EIO, errno.EBADF):
            return b""
        raise
