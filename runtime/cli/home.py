"""The variable HOME, which a bundle may leave out: from the container's own /etc/passwd."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from runtime import syscalls

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runtime.spec import Process

_LONGEST_BYTES = 1 << 20
_FIELDS = 7
_HOME_FIELD = 5


def with_home(process: Process, root: str) -> Mapping[str, str]:
    """The environment with HOME in it: what passwd says of the user, else "/"."""
    if process.env.get("HOME"):
        return process.env
    return {**process.env, "HOME": _look_up(process.user.uid, root) or "/"}


def _look_up(uid: int, root: str) -> str | None:
    try:
        folder = os.open(root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            # links in the image lead to where they lead inside it; a pipe would never end
            flags = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY
            fd = syscalls.open_in_root(folder, "etc/passwd", flags, links=True)
        finally:
            os.close(folder)
        with os.fdopen(fd, "rb") as file:
            if not stat.S_ISREG(os.fstat(fd).st_mode):
                return None
            text = file.read(_LONGEST_BYTES).decode("utf-8", "replace")
    except OSError:
        return None
    for line in text.splitlines():
        fields = line.split(":")
        if len(fields) >= _FIELDS and fields[2] == str(uid):
            return fields[_HOME_FIELD] or None
    return None
