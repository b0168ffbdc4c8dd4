"""The directories of a writable layer that stays, closed to everybody but the container's root.

A container may leave programs in it that are set-user-id, which nobody of the host is to execute.
"""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

from runtime.errors import SetupError

if TYPE_CHECKING:
    from pathlib import Path

#: Below the directory that is named in the specification, which may be open.
CLOSED = "layer"
_PARTS = ("upper", "work")
_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def make(folder: Path, owner: int | None) -> None:
    """Make them where they are missing; links are refused, not followed.

    Args:
        folder: of the layer.
        owner: the container's root as the host sees it; None for who we are.

    Raises:
        SetupError: they cannot be made, or belong to somebody else.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        above = os.open(folder, _FLAGS)
        try:
            closed = _opened(above, CLOSED, owner)
            try:
                for name in _PARTS:
                    os.close(_opened(closed, name, owner, 0o755))
            finally:
                os.close(closed)
        finally:
            os.close(above)
    except OSError as error:
        raise SetupError(
            f"make the writable layer {folder}", error.strerror or str(error), error.errno or 0
        ) from error


def _opened(above: int, name: str, owner: int | None, mode: int = 0o700) -> int:
    """A descriptor of one directory, owned by `owner`."""
    try:
        os.mkdir(name, 0o700, dir_fd=above)
    except FileExistsError:
        made = False
    else:
        made = True
    fd = os.open(name, _FLAGS, dir_fd=above)
    try:
        had = os.fstat(fd).st_uid
        if name == CLOSED:
            _check_owner(had, owner)
        # below it nobody else can have made anything, and what the container has made of its root's
        # owner and mode stays
        if owner is not None and had == os.geteuid() != owner:
            os.fchown(fd, owner, owner)
        if made or name == CLOSED:
            os.fchmod(fd, mode)
    except BaseException:
        os.close(fd)
        raise
    return fd


def _check_owner(found: int, owner: int | None) -> None:
    if found not in (os.geteuid(), owner):
        raise PermissionError(errno.EPERM, f"{CLOSED} belongs to user {found}")
