"""Reports of failures: one line on standard error, and in the file that --log names."""

from __future__ import annotations

import os
import sys
import time

from runtime.cli.options import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from runtime.cli.options import Options

_FORMATS = ("text", "json")
_LEVELS = ("error", "warning", "info", "debug")
_NS = 1_000_000_000


class Report:
    """One command's way to say what went wrong.

    Args:
        common: the global options.

    Raises:
        UsageError: the log's format, level or place is none that we know.
    """

    def __init__(self, common: Options) -> None:
        self._format = common.get("log-format") or "text"
        if self._format not in _FORMATS:
            raise UsageError(f"--log-format {self._format!r} is neither text nor json")
        level = common.get("log-level") or "warning"
        if level not in _LEVELS:
            raise UsageError(f"--log-level {level!r} is none of {', '.join(_LEVELS)}")
        self.debugging = common.has("debug") or level == "debug"
        self._path = _path(common.get("log") or "")

    def error(self, text: str) -> None:
        """Tell of a failure, in one line."""
        text = " ".join(text.split())
        self._write("error", text)
        _print(text)

    def warning(self, text: str) -> None:
        """Tell of something that does not stop the command.

        Standard error may be the container's own, so a log is preferred. Not in a JSON log: podman
        reads that as one object, the error.
        """
        if not self._path:
            _print(f"warning: {text}")
        elif self._format == "text" or self.debugging:
            self._write("warning", text)

    def debug(self, text: str) -> None:
        """What only --debug shows."""
        if not self.debugging:
            return
        if self._path:
            self._write("debug", text)
        else:
            _print(text)

    def _write(self, level: str, text: str) -> None:
        if not self._path:
            return
        stamp = timestamp()
        if self._format == "json":
            import json

            line = json.dumps({"level": level, "msg": text, "time": stamp})
        else:
            quoted = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
            line = f'time="{stamp}" level={level} msg="{quoted}"'
        try:
            fd = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
            try:
                os.write(fd, line.encode("utf-8", "surrogateescape") + b"\n")
            finally:
                os.close(fd)
        except OSError as error:
            _print(f"cannot write {self._path}: {error.strerror}")


def timestamp() -> str:
    """The time, as RFC 3339 has it, in UTC."""
    seconds, rest = divmod(time.time_ns(), _NS)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(seconds))}.{rest:09}Z"


def _path(name: str) -> str:
    kind, colon, rest = name.partition(":")
    if not colon or "/" in kind:
        return name
    if kind != "file" or not rest:
        raise UsageError(f"--log {name!r}: only files are logged to; give a path, or file:PATH")
    return rest


def _print(text: str) -> None:
    try:
        os.write(2, f"tare-oci: {text}\n".encode("utf-8", "surrogateescape"))
    except OSError:
        return  # nobody listens
    sys.stderr.flush()
