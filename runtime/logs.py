"""What a container writes, kept in a file: one line a line, with time and stream.

The format is that of the Kubernetes container runtime interface (CRI, "container logs"), which
other tools read: RFC 3339 time, stream, F for a full line or P for a part of one, text.
"""

from __future__ import annotations

import contextlib
import os
import select
import threading
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from pathlib import Path

#: A longer line is written in parts, as CRI has it.
_PART_BYTES = 16 * 1024
_READ_BYTES = 64 * 1024


class Log:
    """Takes standard output and error of one container; a context manager.

    Whatever the container floods it with, two files of `limit_bytes` at most are kept: the one at
    `path`, and the one before it at `path` with ".1" behind. A thread of its own copies, so that a
    slow disk holds the container up, and never the caller.

    Args:
        path: of the file; replaced where it exists.
        limit_bytes: size at which the file is moved away and a new one begun.

    Attributes:
        stdout: descriptor for the container's standard output; likewise `stderr`.

    Raises:
        OSError: the file cannot be made.
    """

    def __init__(self, path: Path, *, limit_bytes: int = 16 << 20) -> None:
        self._path = path
        self._limit = limit_bytes
        self._file = path.open("wb")
        self._rests: dict[int, bytes] = {}
        out, self.stdout = os.pipe2(os.O_CLOEXEC)
        error, self.stderr = os.pipe2(os.O_CLOEXEC)
        self._streams = {out: b"stdout", error: b"stderr"}
        self._failure: OSError | None = None
        self._thread = threading.Thread(target=self._copy, name="container-log", daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self, timeout_s: float = 5.0) -> None:
        """Wait until everything written so far is in the file; idempotent.

        Ends when all who hold the descriptors have closed them, or after `timeout_s`.

        Raises:
            OSError: the file could not be written; what came after is lost.
        """
        for fd in (self.stdout, self.stderr):
            if fd >= 0:
                os.close(fd)
        self.stdout = self.stderr = -1
        self._thread.join(timeout_s)
        failure, self._failure = self._failure, None
        if failure:
            raise failure

    def _copy(self) -> None:
        poll = select.poll()
        for fd in self._streams:
            poll.register(fd, select.POLLIN)
        with contextlib.ExitStack() as stack:
            stack.callback(self._end)
            open_streams = set(self._streams)
            while open_streams:
                for fd, _ in poll.poll():
                    data = os.read(fd, _READ_BYTES)
                    if data:
                        self._take(fd, data)
                        continue
                    self._take(fd, b"", last=True)
                    poll.unregister(fd)
                    open_streams.discard(fd)

    def _end(self) -> None:
        for fd in self._streams:
            os.close(fd)
        with contextlib.suppress(OSError):
            self._file.close()

    def _take(self, fd: int, data: bytes, *, last: bool = False) -> None:
        """Write what makes lines, keep the rest."""
        stamp = datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
        head = stamp.encode() + b" " + self._streams[fd] + b" "
        *lines, rest = (self._rests.get(fd, b"") + data).split(b"\n")
        found = []
        for line in lines:
            found += _parts(head, line, full=True)
        while len(rest) >= _PART_BYTES:
            found.append(head + b"P " + rest[:_PART_BYTES] + b"\n")
            rest = rest[_PART_BYTES:]
        if last and rest:
            found += _parts(head, rest, full=False)
            rest = b""
        self._rests[fd] = rest
        for entry in found:
            self._write(entry)

    def _write(self, entry: bytes) -> None:
        if self._failure:
            return  # go on reading: a container must not wait for a full disk for ever
        try:
            if self._file.tell() + len(entry) > self._limit:
                self._file.close()
                self._path.replace(self._path.with_name(self._path.name + ".1"))
                self._file = self._path.open("wb")
            self._file.write(entry)
            self._file.flush()
        except OSError as error:
            self._failure = error


def _parts(head: bytes, line: bytes, *, full: bool) -> list[bytes]:
    found = []
    while len(line) > _PART_BYTES:
        found.append(head + b"P " + line[:_PART_BYTES] + b"\n")
        line = line[_PART_BYTES:]
    return [*found, head + (b"F " if full else b"P ") + line + b"\n"]
