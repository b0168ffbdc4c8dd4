"""Collect the output of a child, with a time limit and a limit on its size.

The harness has threads and must not fork, so another process makes the children, and this one has
only their pipes and pidfds.
"""

import os
import selectors
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from benchmarks.errors import MeasurementError

OUTPUT_LIMIT_BYTES = 64 << 20
_CHUNK = 1 << 16


class Pipes:
    """The two output pipes of one child and its empty standard input."""

    def __init__(self, stdin: bytes = b"") -> None:
        """Open the pipes; ``stdin`` is held in an anonymous file the child reads to its end."""
        self._out, self.child_out = os.pipe2(os.O_CLOEXEC)
        self._err, self.child_err = os.pipe2(os.O_CLOEXEC)
        if stdin:
            self.child_in = os.memfd_create("stdin", os.MFD_CLOEXEC)
            os.write(self.child_in, stdin)
            os.lseek(self.child_in, 0, os.SEEK_SET)
        else:
            self.child_in = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
        self._open = {self._out, self._err, self.child_in, self.child_out, self.child_err}

    @property
    def stdio(self) -> tuple[int, int, int]:
        """Descriptors for the child's standard input, output and error."""
        return self.child_in, self.child_out, self.child_err

    def collect(self, timeout_s: float, what: str) -> tuple[bytes, bytes]:
        """Read both pipes to their end; call once, after the child was made.

        Raises:
            MeasurementError: The pipes were still open at the time limit, or held more than
                ``OUTPUT_LIMIT_BYTES``.
        """
        for descriptor in (self.child_in, self.child_out, self.child_err):
            self._close(descriptor)
        collected: dict[int, list[bytes]] = {self._out: [], self._err: []}
        size = 0
        deadline = time.monotonic() + timeout_s
        with selectors.DefaultSelector() as selector:
            for descriptor in collected:
                selector.register(descriptor, selectors.EVENT_READ)
            while selector.get_map():
                left = deadline - time.monotonic()
                if left <= 0:
                    raise MeasurementError(
                        f"{what} did not end within {timeout_s:g} s",
                        timed_out=True,
                    )
                for key, _ in selector.select(left):
                    data = os.read(key.fd, _CHUNK)
                    if not data:
                        selector.unregister(key.fd)
                    collected[key.fd].append(data)
                    size += len(data)
                if size > OUTPUT_LIMIT_BYTES:
                    raise MeasurementError(
                        f"{what} wrote more than {OUTPUT_LIMIT_BYTES >> 20} MiB of output",
                    )
        return b"".join(collected[self._out]), b"".join(collected[self._err])

    def _close(self, descriptor: int) -> None:
        if descriptor in self._open:
            self._open.discard(descriptor)
            os.close(descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for descriptor in list(self._open):
            self._close(descriptor)


class FirstByte:
    """Stamps the arrival of a child's first byte on a pipe.

    A thread waits in a blocking read from before the start, so that neither the making of the
    child nor the answer about it delays the stamp by more than one wake-up.
    """

    def __init__(self, fifo: Path | None = None) -> None:
        """Open a pipe, or the named pipe given, and begin to wait.

        A named pipe is opened for reading and writing (fifo(7)): the thread then waits for the
        first byte and not for a writer to open it, and a byte of our own can end the wait.
        """
        if fifo is None:
            self._read, self.child = os.pipe2(os.O_CLOEXEC)
        else:
            self._read, self.child = os.open(fifo, os.O_RDWR | os.O_CLOEXEC), -1
        self._named = fifo is not None
        self._stamp: int | None = None
        self._thread = threading.Thread(target=self._wait, name="first-byte", daemon=True)
        self._thread.start()

    def _wait(self) -> None:
        data = os.read(self._read, 1)
        stamp = time.monotonic_ns()
        if data:
            self._stamp = stamp

    def close_child_end(self) -> None:
        """Close this process's copy of the writing end, so that a dead child ends the wait."""
        if self.child >= 0:
            os.close(self.child)
            self.child = -1

    def stamp(self, timeout_s: float) -> int | None:
        """Wait for the byte; return its stamp, or None when it never came."""
        self._thread.join(timeout_s)
        return self._stamp

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close_child_end()
        if self._named and self._thread.is_alive():
            os.write(self._read, b"\0")
            self._thread.join()
        if self._thread.is_alive():
            # The child still holds the pipe: closing under a reader is not safe, and the daemon
            # thread ends with the child.
            return
        os.close(self._read)
