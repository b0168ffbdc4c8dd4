"""Keep the guest's serial console on disk up to a limit, and watch for the lines that matter."""

import re
from itertools import islice
from pathlib import Path

_INIT = b"tare: init"
# Of a kernel that UEFI entered: its stub's own words, which "quiet" would hide, or its first line.
_KERNEL = (b"EFI stub: ", b"Linux version ")
_FAIL = re.compile(rb"tare: fail: ([^\r\n]+)[\r\n]")
_PANIC = re.compile(rb"Kernel panic - not syncing: ([^\r\n]+)[\r\n]")
_OUT_OF_MEMORY = re.compile(rb"Out of memory[^:]*: Killed process \d+ \((.*?)\) total-vm")
_TAIL = 8192
_LINE = 160
_MOST_KILLED = 1000  # a guest may go on for ever


class Console:
    """What the console said.

    Attributes:
        path: the log.
        kernel: whether Linux has said that it is one.
        init: whether our init has run.
        failure: what our init says it could not do, or None.
        panic: the reason of a kernel panic, or None.
        killed: names of the processes that the guest's kernel killed for lack of memory.
    """

    def __init__(self, path: Path, limit_bytes: int) -> None:
        self.path = path
        self.kernel = False
        self.init = False
        self.failure: str | None = None
        self.panic: str | None = None
        self.killed: list[str] = []
        self._left = limit_bytes
        self._tail = b""
        self._line = b""
        self._log = path.open("wb", buffering=0)

    def feed(self, data: bytes) -> None:
        """Take what the guest wrote. A full disk loses the log, not the run."""
        if self._left > 0:
            try:
                self._log.write(data[: self._left])
            except OSError:
                self._left = 0
            self._left -= len(data)
        self._tail = (self._tail + data)[-_TAIL:]
        self.kernel = self.kernel or any(words in self._tail for words in _KERNEL)
        self.init = self.init or _INIT in self._tail
        self.failure = self.failure or _first(_FAIL, self._tail)
        self.panic = self.panic or _first(_PANIC, self._tail)
        *lines, rest = (self._line + data).split(b"\n")
        self._line = rest[-_TAIL:]
        found = filter(None, (_first(_OUT_OF_MEMORY, line) for line in lines))
        self.killed += islice(found, _MOST_KILLED - len(self.killed))

    def last_line(self) -> str:
        """The end of the last line that holds anything readable, or ``nothing``.

        A payload may write anything to the console, and a message must stay one that can be read.
        """
        text = self._tail.decode(errors="ignore")
        lines = ("".join(filter(str.isprintable, line)).strip() for line in text.split("\n"))
        kept = [line for line in lines if line]
        return kept[-1][-_LINE:] if kept else "nothing"

    def close(self) -> None:
        """Close the log; it stays on disk."""
        self._log.close()


def _first(pattern: re.Pattern[bytes], text: bytes) -> str | None:
    match = pattern.search(text)
    return match.group(1).decode(errors="replace") if match else None
