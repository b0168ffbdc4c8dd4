"""Reading, writing and removing below a cgroup file system, with errors that name the file."""

from __future__ import annotations

import errno
import os
import time

_RETRIES = 200
_PAUSE_S = 0.01


class CgroupOSError(OSError):
    """A cgroup file refused; `strerror` already names it."""


def write(path: str, text: str) -> None:
    """Write one attribute.

    Raises:
        CgroupOSError: naming the file and the text.
    """
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
        try:
            os.write(fd, text.encode())
        finally:
            os.close(fd)
    except OSError as error:
        raise CgroupOSError(error.errno, f"write {text!r} to {path}: {error.strerror}") from error


def read(path: str) -> str:
    """One attribute's text, stripped.

    Raises:
        OSError: the file does not exist or cannot be read.
    """
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        parts = []
        while part := os.read(fd, 65536):
            parts.append(part)
        return b"".join(parts).decode().strip()
    finally:
        os.close(fd)


def make(path: str) -> None:
    """Make one group.

    Raises:
        CgroupOSError: naming the path; errno EEXIST where it is there already.
    """
    try:
        os.mkdir(path, 0o755)
    except OSError as error:
        raise CgroupOSError(error.errno, f"make {path}: {error.strerror}") from error


def pids(path: str) -> list[int]:
    """Processes of one group and of the groups below it."""
    found = []
    for folder in _tree(path):
        try:
            found += [int(line) for line in read(f"{folder}/cgroup.procs").split()]
        except OSError as error:
            if error.errno not in (errno.ENOENT, errno.ENODEV):
                raise
    return found


def remove(path: str) -> bool:
    """Remove a group, children first; False where there was none.

    A group stays busy for a moment after its last process was reaped, so EBUSY is retried, for
    two seconds at most.

    Raises:
        CgroupOSError: it is still busy after that.
    """
    if not os.path.isdir(path):
        return False
    for folder in reversed(_tree(path)):
        for attempt in range(_RETRIES):
            try:
                os.rmdir(folder)
                break
            except FileNotFoundError:
                break
            except OSError as error:
                if error.errno != errno.EBUSY or attempt == _RETRIES - 1:
                    raise CgroupOSError(
                        error.errno, f"remove {folder}: {error.strerror}"
                    ) from error
                time.sleep(_PAUSE_S)
    return True


def _tree(path: str) -> list[str]:
    """`path` and every group below it, parents first."""
    found = [path]
    for folder in found:
        try:
            with os.scandir(folder) as entries:
                found += [e.path for e in entries if e.is_dir(follow_symlinks=False)]
        except FileNotFoundError:
            continue
    return found
