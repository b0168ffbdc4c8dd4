"""The variable HOME, which a bundle may leave out: from the container's own /etc/passwd."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from runtime import syscalls

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from runtime.spec import Process

_LONGEST_BYTES = 1 << 20
_FIELDS = 7
_HOME_FIELD = 5


def with_home(process: Process, root: Path) -> Mapping[str, str]:
    """The environment with HOME in it: what passwd says of the user, else "/"."""
    if "HOME" in process.env:
        return process.env
    return {**process.env, "HOME": _look_up(process.user.uid, root) or "/"}


def _look_up(uid: int, root: Path) -> str | None:
    try:
        folder = os.open(root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            # links in the image lead to where they lead inside it
            fd = syscalls.open_in_root(folder, "etc/passwd", os.O_RDONLY, links=True)
        finally:
            os.close(folder)
        with os.fdopen(fd, "rb") as file:
            text = file.read(_LONGEST_BYTES).decode("utf-8", "replace")
    except OSError:
        return None
    for line in text.splitlines():
        fields = line.split(":")
        if len(fields) >= _FIELDS and fields[2] == str(uid):
            return fields[_HOME_FIELD] or None
    return None
