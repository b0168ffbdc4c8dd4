"""The guest's serial console: kept on disk up to a limit, and watched for the lines that matter."""

import re
from pathlib import Path

_INIT = b"tare: init"
_FAIL = re.compile(rb"tare: fail: ([^\r\n]+)[\r\n]")
_PANIC = re.compile(rb"Kernel panic - not syncing: ([^\r\n]+)[\r\n]")
_TAIL = 8192


class Console:
    """What the console said.

    Attributes:
        path: the log.
        init: whether our init has run.
        failure: what our init says it could not do, or None.
        panic: the reason of a kernel panic, or None.
    """

    def __init__(self, path: Path, limit_bytes: int) -> None:
        self.path = path
        self.init = False
        self.failure: str | None = None
        self.panic: str | None = None
        self._left = limit_bytes
        self._tail = b""
        self._log = path.open("wb", buffering=0)

    def feed(self, data: bytes) -> None:
        """Takes what the guest wrote. A full disk loses the log, not the run."""
        if self._left > 0:
            try:
                self._log.write(data[: self._left])
            except OSError:
                self._left = 0
            self._left -= len(data)
        self._tail = (self._tail + data)[-_TAIL:]
        self.init = self.init or _INIT in self._tail
        self.failure = self.failure or _first(_FAIL, self._tail)
        self.panic = self.panic or _first(_PANIC, self._tail)

    def last_line(self) -> str:
        """The last line that is not empty, or ``nothing``."""
        text = self._tail.decode(errors="replace").replace("\r", "")
        kept = [line.strip() for line in text.split("\n") if line.strip()]
        return kept[-1] if kept else "nothing"

    def close(self) -> None:
        """Closes the log; it stays on disk."""
        self._log.close()


def _first(pattern: re.Pattern[bytes], text: bytes) -> str | None:
    match = pattern.search(text)
    return match.group(1).decode(errors="replace") if match else None
