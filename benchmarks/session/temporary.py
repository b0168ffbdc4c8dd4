"""Folders for the time of one command, of which the next start removes those of a killed one."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.errors import RunFolderError

if TYPE_CHECKING:
    from collections.abc import Iterator

FOLDER = "temporary"
"""Where they lie in the state folder."""

_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


@contextmanager
def temporary(state: Path) -> Iterator[Path]:
    """Yield a new folder, which is removed afterwards.

    It is this process's as long as it is locked, in whatever namespace somebody looks.

    Raises:
        RunFolderError: The state folder cannot be used.
    """
    try:
        folder, lock = _locked(state / FOLDER)
    except OSError as error:
        raise RunFolderError(
            f"cannot make a folder in {state / FOLDER}: {error.strerror}"
        ) from error
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def _locked(where: Path) -> tuple[Path, int]:
    while True:
        where.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(dir=where))
        try:
            lock = os.open(folder, _FLAGS)
        except FileNotFoundError:
            continue  # who cleaned up came between
        fcntl.flock(lock, fcntl.LOCK_EX)
        if folder.exists():
            return folder, lock
        os.close(lock)  # likewise


def leftovers(state: Path, *, remove: bool = False) -> list[str]:
    """Name the folders of dead processes, in words; remove them where that is asked for."""
    found = []
    for folder in sorted((state / FOLDER).glob("*")):
        try:
            lock = os.open(folder, _FLAGS)
        except FileNotFoundError:
            continue  # its owner has ended meanwhile
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            continue
        else:
            found.append(f"temporary folder {folder}")
            if remove:
                shutil.rmtree(folder)
        finally:
            os.close(lock)
    return found
