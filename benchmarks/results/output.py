"""Write a file where a user asked for it, and harm nothing that stands there.

A regular file is replaced by renaming a finished one in its place. Whatever else a path leads to (a
device, a FIFO, a link's target, the standard output) is written into and stays what it is. A run's
own files are refused: nothing could make them again.
"""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from typing import TYPE_CHECKING

from benchmarks.errors import OutputError

if TYPE_CHECKING:
    from pathlib import Path

_DESCRIPTION = "run.json"
_OWN = frozenset({_DESCRIPTION, "samples.jsonl", "logs"})
"""What stands in a run folder and was measured, or says how."""


def write(path: Path, data: bytes) -> None:
    """Write ``data`` to what a path leads to.

    Raises:
        OutputError: It is a run's own file, or it cannot be written.
    """
    try:
        real = path.resolve()
        refuse_own(path, real)
        mode = _mode(path)
        if mode is None or (stat.S_ISREG(mode) and not path.is_symlink()):
            replace(real, data)
        else:
            _into(path, data)
    except (OSError, RuntimeError, ValueError) as error:
        said = error.strerror if isinstance(error, OSError) else None
        raise OutputError(
            f"cannot write {shown(path)}: {said or error}; give a file in a folder that exists "
            "and can be written"
        ) from error


def refuse_own(path: Path, real: Path) -> None:
    """Refuse what belongs to a run folder, whichever way a path leads there.

    Raises:
        OutputError: It does.
    """
    for inner, folder in zip((real, *real.parents), real.parents, strict=False):
        if inner.name in _OWN and (folder / _DESCRIPTION).is_file():
            raise OutputError(
                f"{shown(path)} is part of the run in {shown(folder)} and is not overwritten; "
                "give another file"
            )


def replace(path: Path, data: bytes) -> None:
    """Write a regular file so that a reader, or a crash, sees the old or the new, never a part.

    Raises:
        OSError: The file cannot be written.
    """
    partial = path.with_name(f".{path.name[:200]}.{os.getpid()}.part")
    try:
        with partial.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError:
        with suppress(OSError):
            partial.unlink()
        raise


def shown(path: Path) -> str:
    """Return a path as it can be said: on one line, whatever bytes it holds."""
    return repr(str(path))[1:-1] if not str(path).isprintable() else str(path)


def _mode(path: Path) -> int | None:
    """Return the mode of what a path leads to; None where it leads to nothing."""
    try:
        return path.stat().st_mode
    except FileNotFoundError:
        return None


def _into(path: Path, data: bytes) -> None:
    own = _own_descriptor(path)
    # Opened anew, a file that standard output is appended to would lose what it held.
    descriptor = os.open(path, os.O_WRONLY | os.O_TRUNC | os.O_CLOEXEC) if own is None else own
    try:
        left = memoryview(data)
        while left:
            left = left[os.write(descriptor, left) :]
    finally:
        if own is None:
            os.close(descriptor)


def _own_descriptor(path: Path) -> int | None:
    """Return the standard stream that a path is another name of."""
    for descriptor in (1, 2):
        with suppress(OSError):
            if os.path.samestat(os.fstat(descriptor), path.stat()):
                return descriptor
    return None
