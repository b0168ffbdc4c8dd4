"""The content digest of a directory tree: what makes two images the same image.

Definition, version 1. Every entry of the tree, the root included, contributes one record; records
are taken in bytewise order of the entry's path. A record is these fields, each ended by a NUL byte:

1. path relative to the root, as raw bytes; the root itself is ``.``
2. type: ``d`` directory, ``f`` regular file, ``l`` symbolic link, ``c`` and ``b`` devices,
   ``p`` FIFO, ``s`` socket
3. permission bits with set-id and sticky bits, four octal digits
4. numeric uid, then 5. numeric gid, in decimal
6. payload: hex SHA-256 of a file's content; a link's target as raw bytes; ``major:minor`` of a
   device; empty for the rest
7. hex of the extended attribute ``security.capability`` where there is one, else empty

The digest is ``sha256:`` and the hex SHA-256 over all records. No path, target or number can hold
a NUL byte, so records cannot run into each other. Left out on purpose, since they differ between
trees that behave alike: times, inode numbers, link counts (two names of one file count as two
equal files), directory sizes, and attributes a host's security module hangs on by itself.
"""

import hashlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path

_TYPES = {
    stat.S_IFDIR: b"d",
    stat.S_IFREG: b"f",
    stat.S_IFLNK: b"l",
    stat.S_IFCHR: b"c",
    stat.S_IFBLK: b"b",
    stat.S_IFIFO: b"p",
    stat.S_IFSOCK: b"s",
}


def tree_digest(root: Path) -> str:
    """Compute the content digest of the tree at `root`; reads every file once.

    Raises:
        OSError: an entry vanished or cannot be read while the tree is walked.
    """
    top = os.fsencode(root)
    total = hashlib.sha256()
    for relative in sorted(_paths(top)):
        full = top if relative == b"." else os.path.join(top, relative)  # noqa: PTH118  # raw bytes: a path need not be UTF-8
        for field in (relative, *_fields(full)):
            total.update(field + b"\0")
    return "sha256:" + total.hexdigest()


def _paths(top: bytes) -> Iterator[bytes]:
    yield b"."
    pending = [b""]
    while pending:
        prefix = pending.pop()
        with os.scandir(top + b"/" + prefix) as entries:
            for entry in entries:
                relative = prefix + entry.name
                yield relative
                if entry.is_dir(follow_symlinks=False):
                    pending.append(relative + b"/")


def _fields(path: bytes) -> tuple[bytes, ...]:
    info = os.lstat(path)
    kind = stat.S_IFMT(info.st_mode)
    payload = b""
    if kind == stat.S_IFREG:
        with open(path, "rb", buffering=0) as file:  # noqa: PTH123  # raw bytes, as above
            payload = hashlib.file_digest(file, "sha256").hexdigest().encode()
    elif kind == stat.S_IFLNK:
        payload = os.readlink(path)  # noqa: PTH115  # raw bytes, as above
    elif kind in (stat.S_IFCHR, stat.S_IFBLK):
        payload = b"%d:%d" % (os.major(info.st_rdev), os.minor(info.st_rdev))
    return (
        _TYPES[kind],
        b"%04o" % stat.S_IMODE(info.st_mode),
        b"%d" % info.st_uid,
        b"%d" % info.st_gid,
        payload,
        _capability(path).hex().encode(),
    )


def _capability(path: bytes) -> bytes:
    try:
        return os.getxattr(path, "security.capability", follow_symlinks=False)
    except OSError:  # ENODATA: none; ENOTSUP: a file system without them
        return b""
