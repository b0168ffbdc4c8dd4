"""Write a newc cpio archive, the format of an initramfs.

Format: Linux ``Documentation/driver-api/early-userspace/buffer-format.rst``. Written here because
the standard library has none, and the ``cpio`` program cannot make device nodes without root.
The archive depends on its entries alone: owner, inode numbers and times are fixed.
"""

import io
import stat
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Entry:
    """One file of the archive.

    Attributes:
        path: relative, without a leading slash.
        mode: type and permission bits, as in ``st_mode``.
        content: a regular file's bytes, or a link's target.
        device: major and minor number of a device node.
    """

    path: str
    mode: int
    content: bytes = b""
    device: tuple[int, int] = (0, 0)


def directory(path: str, permissions: int = 0o755) -> Entry:
    """A directory."""
    return Entry(path, stat.S_IFDIR | permissions)


def file(path: str, content: bytes, permissions: int = 0o644) -> Entry:
    """A regular file."""
    return Entry(path, stat.S_IFREG | permissions, content)


def link(path: str, target: str) -> Entry:
    """A symbolic link."""
    return Entry(path, stat.S_IFLNK | 0o777, target.encode())


def character_device(path: str, major: int, minor: int, permissions: int = 0o600) -> Entry:
    """A character device node."""
    return Entry(path, stat.S_IFCHR | permissions, b"", (major, minor))


def pipe(path: str, permissions: int = 0o600) -> Entry:
    """A named pipe."""
    return Entry(path, stat.S_IFIFO | permissions)


def archive(entries: Iterable[Entry]) -> bytes:
    """The archive of ``entries``, in their order, padded to 512 bytes."""
    out = io.BytesIO()
    for inode, entry in enumerate(entries, start=1):
        _write(out, entry, inode)
    _write(out, Entry("TRAILER!!!", 0), 0)
    _pad(out, 512)
    return out.getvalue()


def _write(out: io.BytesIO, entry: Entry, inode: int) -> None:
    name = entry.path.encode() + b"\0"
    links = 2 if stat.S_ISDIR(entry.mode) else 1
    fields = (
        inode,
        entry.mode,
        0,  # uid
        0,  # gid
        links,
        0,  # mtime
        len(entry.content),
        0,  # major of the archive's own device
        0,
        *entry.device,
        len(name),
        0,  # checksum, unused in newc
    )
    out.write(b"070701" + b"".join(b"%08X" % field for field in fields) + name)
    _pad(out, 4)
    out.write(entry.content)
    _pad(out, 4)


def _pad(out: io.BytesIO, to: int) -> None:
    out.write(b"\0" * (-out.tell() % to))
