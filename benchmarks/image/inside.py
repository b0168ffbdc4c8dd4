"""Paths inside an image, as a process that has it as its root sees them.

A link in an image is anybody's word: followed from outside, an absolute one would lead to the
host's own files. So every link is taken as relative to the image's root, as chroot(2) would.
"""

import os
from pathlib import Path

_LINKS = 40
"""As many as the kernel follows before ELOOP (path_resolution(7))."""


def resolved(root: Path, path: str) -> Path | None:
    """Where `path` lies once every link is followed inside `root`; None where nothing is there."""
    pending = [part for part in reversed(path.split("/")) if part]
    at: list[str] = []
    links = 0
    while pending:
        part = pending.pop()
        if part == "..":
            at = at[:-1]
        if part in {".", ".."}:
            continue
        here = root.joinpath(*at, part)
        if here.is_symlink():
            links += 1
            if links > _LINKS:
                return None
            target = os.readlink(here)  # noqa: PTH115  # Path would drop a trailing dot
            at = [] if target.startswith("/") else at
            pending += [one for one in reversed(target.split("/")) if one]
        elif here.exists():
            at.append(part)
        else:
            return None
    return root.joinpath(*at)


def read(root: Path, path: str) -> str:
    """The text of a file inside `root`; empty where it is not there or no file."""
    found = resolved(root, path)
    if found is None or not found.is_file():
        return ""
    return found.read_text(encoding="utf-8", errors="replace")
