"""Where a failure is told: one line on standard error, and in the file that --log names."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from runtime.commandline.options import UsageError

if TYPE_CHECKING:
    from runtime.commandline.options import Options

_FORMATS = ("text", "json")


class Report:
    """One command's way to say what went wrong.

    Raises:
        UsageError: the log's format or place is none that we know.
    """

    def __init__(self, common: Options) -> None:
        self._format = common.get("log-format") or "text"
        if self._format not in _FORMATS:
            raise UsageError(f"--log-format {self._format!r} is neither text nor json")
        name = common.get("log")
        if name:
            kind, colon, rest = name.partition(":")
            if colon and "/" not in kind:
                if kind != "file":
                    raise UsageError(f"--log {name!r}: only files are logged to")
                name = rest
        self._path = Path(name) if name else None

    def error(self, text: str) -> None:
        """Tell of a failure."""
        self._write("error", text)
        print(f"tare-oci: {text}", file=sys.stderr)

    def warning(self, text: str) -> None:
        """Tell of something that does not stop the command.

        Not in a JSON log: podman reads that as one object, the error.
        """
        if self._format == "text":
            self._write("warning", text)
        print(f"tare-oci: {text}", file=sys.stderr)

    def _write(self, level: str, text: str) -> None:
        if self._path is None:
            return
        stamp = datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
        if self._format == "json":
            line = json.dumps({"level": level, "msg": text, "time": stamp})
        else:
            line = f"time={stamp!r} level={level} msg={json.dumps(text)}"
        try:
            with self._path.open("a") as file:
                file.write(line + "\n")
        except OSError as error:
            print(f"tare-oci: cannot write {self._path}: {error.strerror}", file=sys.stderr)
