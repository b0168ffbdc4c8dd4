"""Deleting folders of the cache without deleting through a mount."""

import errno
import os
import shutil
import time
from pathlib import Path

from benchmarks.image.errors import ImageInUseError

_SETTLE_S = 2.0


def discard(folder: Path) -> None:
    """Delete a folder of the cache that no mount refers to.

    Walks by descriptors (`shutil.rmtree`), so a link put in place meanwhile leads nowhere else.

    Raises:
        ImageInUseError: a mount refers to it.
        OSError: it cannot be deleted.
    """
    if mounted(folder):
        raise ImageInUseError(
            f"{folder} is left alone: a mount refers to it; unmount it, then delete the folder"
        )
    deadline = time.monotonic() + _SETTLE_S
    while folder.exists():
        try:
            shutil.rmtree(folder)
        except OSError as error:
            # the processes of a build killed this very moment may still write and rename
            passing = error.errno in (errno.ENOTEMPTY, errno.ENOENT)
            if not passing or time.monotonic() > deadline:
                raise


def mounted(folder: Path) -> bool:
    """Does any process see a mount inside `folder`, or an overlay made of it?

    Other mount namespaces count too: a container's overlay is visible in its own alone. An
    overlay's options name the folder as it was given, a mount point as it is behind its links.
    """
    needles = {os.fsencode(folder.absolute()), os.fsencode(folder.resolve())}
    for table in Path("/proc").glob("[0-9]*/mountinfo"):
        try:
            text = table.read_bytes()
        except OSError:  # the process ended meanwhile
            continue
        for needle in needles:
            lines = text.splitlines() if needle in text else ()
            if any(needle in line and mentions(line, needle) for line in lines):
                return True
    return False


def mentions(line: bytes, path: bytes) -> bool:
    """Does a line of /proc/PID/mountinfo name `path` or something below it?

    Looks at the mount point and the options (proc_pid_mountinfo(5)); not at the root field, which
    names where in its own file system a bind mount begins.
    """
    fields = line.split(b" ")
    below = path + b"/"
    values = (option.rpartition(b"=")[2] for option in fields[-1].split(b","))
    places = (fields[4], *(place for value in values for place in value.split(b":")))
    return any(place == path or place.startswith(below) for place in places)
