"""File operations below a cgroup file system, with errors that name the file."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import time
from itertools import batched
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_RETRIES = 200
_PAUSE_S = 0.01
_AT_ONCE = 256
#: Magic numbers of cgroup v1 and v2 (statfs(2)).
_FILE_SYSTEMS = (0x27E0EB, 0x63677270)


class CgroupOSError(OSError):
    """A cgroup file refused; `strerror` already names it."""


def refusal(reason: str, number: int = errno.ENODEV) -> CgroupOSError:
    """The error for what this host, or cgroup itself, cannot do; `reason` is a sentence."""
    return CgroupOSError(number, reason)


def write(path: str, text: str) -> None:
    """Write one attribute.

    Raises:
        CgroupOSError: naming the file and the text.
    """
    try:
        # there are no links in a cgroup file system
        fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        try:
            os.write(fd, text.encode())
        finally:
            os.close(fd)
    except OSError as error:
        raise CgroupOSError(error.errno, f"write {text!r} to {path}: {error.strerror}") from error


def put(folder: str, name: str, value: object, hint: str = "") -> None:
    """Write one attribute of a group.

    Args:
        folder: of the group.
        name: of the attribute.
        value: written as text.
        hint: what to do where this kernel does not have the attribute.

    Raises:
        CgroupOSError: naming the file and the text; ENODEV where this kernel does not have it.
    """
    try:
        write(f"{folder}/{name}", str(value))
    except CgroupOSError as error:
        if error.errno == errno.ENOENT and os.path.isdir(folder):
            raise refusal(f"this kernel has no {name}" + (f": {hint}" if hint else "")) from error
        raise


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


def make_all(path: str, made: list[str]) -> None:
    """Make one group and those above it that are missing.

    Args:
        path: of the group; it may be there already.
        made: what was made is put here, parents first, also when it fails half-way.

    Raises:
        CgroupOSError: naming the path.
    """
    missing = []
    while not os.path.isdir(path):
        missing.append(path)
        path = os.path.dirname(path)
    for folder in reversed(missing):
        make(folder)
        made.append(folder)


def attach(path: str, pid: int) -> None:
    """Move a process into one group; one that has ended (ESRCH) is let be.

    Raises:
        CgroupOSError: naming the file.
    """
    try:
        write(f"{path}/cgroup.procs", str(pid))
    except CgroupOSError as error:
        if error.errno != errno.ESRCH:
            raise


def thaw(path: str) -> None:
    """Let everything in a v1 freezer group and below go on; elsewhere nothing happens.

    A frozen process of v1 does not even die (freezer-subsystem.rst): without this, SIGKILL waits.
    """
    for folder in _tree(path):
        if os.path.exists(f"{folder}/freezer.state"):
            with contextlib.suppress(OSError):
                write(f"{folder}/freezer.state", "THAWED")


def is_group(path: str) -> bool:
    """Whether a path that somebody wrote down leads to a group, and by no link at its end."""
    from runtime import syscalls  # where records of the dead are read

    try:
        fd = os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        return syscalls.file_system(fd) in _FILE_SYSTEMS
    finally:
        os.close(fd)


def pids(path: str) -> list[int]:
    """Processes of one group and of the groups below it; 0 for one of a pid namespace outside."""
    return [pid for folder in _tree(path) for pid in own_pids(folder)]


def signal_each(path: str, number: int) -> None:
    """Signal every process of one group and below, through pidfds: never one that only has its pid.

    A process that joins meanwhile is for the next call.
    """
    # 0: one of a pid namespace outside; not all at once, for the limit of open files
    for some in batched((pid for pid in pids(path) if pid > 0), _AT_ONCE):
        with contextlib.ExitStack() as stack:
            opened = {}
            for pid in some:
                with contextlib.suppress(ProcessLookupError):
                    opened[pid] = os.pidfd_open(pid)
                    stack.callback(os.close, opened[pid])
            for pid in opened.keys() & set(pids(path)):
                with contextlib.suppress(ProcessLookupError):
                    signal.pidfd_send_signal(opened[pid], number)


def own_pids(path: str) -> list[int]:
    """Processes of one group alone, likewise."""
    try:
        return [int(line) for line in read(f"{path}/cgroup.procs").split()]
    except OSError as error:
        # EOPNOTSUPP: a threaded group, whose processes are those of a group above
        if error.errno not in (errno.ENOENT, errno.ENODEV, errno.EOPNOTSUPP):
            raise
        return []


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


def remove_made(made: Iterable[str], whole: Iterable[str]) -> None:
    """Remove groups, last made first.

    Args:
        made: the groups, parents before children.
        whole: those of them that go with all that is below; others stay while anything is in them.

    Raises:
        CgroupOSError: one is still busy; the others are removed.
    """
    failure: OSError | None = None
    ends = set(whole)
    for folder in reversed(list(made)):
        try:
            if folder in ends:
                remove(folder)
            else:
                with contextlib.suppress(FileNotFoundError):
                    os.rmdir(folder)
        except CgroupOSError as error:
            failure = error
        except OSError as error:
            if error.errno not in (errno.EBUSY, errno.ENOTEMPTY):
                failure = CgroupOSError(error.errno, f"remove {folder}: {error.strerror}")
    if failure:
        raise failure


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
