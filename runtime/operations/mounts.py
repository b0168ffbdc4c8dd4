"""The file systems a container sees.

Targets inside the image are opened with openat2(2) below the new root, links refused, and mounted
upon by descriptor: a link planted in an image cannot lead a mount elsewhere (CVE-2021-30465,
CVE-2019-19921, CVE-2023-27561, CVE-2024-45310).
"""

from __future__ import annotations

import errno
import os
import stat
from typing import TYPE_CHECKING, NamedTuple

from runtime import syscalls
from runtime.syscalls import (
    MOUNT_ATTR_NODEV,
    MOUNT_ATTR_NOEXEC,
    MOUNT_ATTR_NOSUID,
    MOUNT_ATTR_RDONLY,
)

if TYPE_CHECKING:
    from runtime.operations.context import Context

_DEVICES = {
    "null": (1, 3), "zero": (1, 5), "full": (1, 7), "random": (1, 8), "urandom": (1, 9),
    "tty": (5, 0),
}  # fmt: skip
_LINKS = (
    ("fd", "/proc/self/fd"), ("stdin", "/proc/self/fd/0"), ("stdout", "/proc/self/fd/1"),
    ("stderr", "/proc/self/fd/2"), ("core", "/proc/kcore"), ("ptmx", "pts/ptmx"),
)  # fmt: skip
_O_PATH = os.O_PATH | os.O_CLOEXEC


class OverlayRoot(NamedTuple):
    """The image below, a tmpfs above; device nodes of the image mean nothing (nodev)."""

    size_bytes: int

    def describe(self) -> str:
        size = f" of {self.size_bytes} bytes" if self.size_bytes else ""
        return f"mount an overlay of the image and a tmpfs{size} as the root"

    def apply(self, context: Context) -> None:
        scratch, merged = f"{context.base}/scratch", f"{context.base}/merged"
        options = "mode=0755" + (f",size={self.size_bytes}" if self.size_bytes else "")
        syscalls.mount(context.marker, scratch, "tmpfs", syscalls.MS_NODEV, options)
        os.mkdir(f"{scratch}/upper", 0o755)
        os.mkdir(f"{scratch}/work", 0o755)
        layers = f"lowerdir={context.lower},upperdir={scratch}/upper,workdir={scratch}/work"
        syscalls.mount(context.marker, merged, "overlay", syscalls.MS_NODEV, f"{layers},userxattr")
        context.root_fd = os.open(merged, os.O_DIRECTORY | _O_PATH)


class BindRoot(NamedTuple):
    """The image itself as the root, without a writable layer."""

    def describe(self) -> str:
        return "bind the image as the root"

    def apply(self, context: Context) -> None:
        merged = f"{context.base}/merged"
        tree = syscalls.open_tree(context.lower, syscalls.OPEN_TREE_CLONE | syscalls.AT_RECURSIVE)
        syscalls.mount_setattr(tree, add=MOUNT_ATTR_NODEV)
        target = os.open(merged, os.O_DIRECTORY | _O_PATH)
        syscalls.move_mount(tree, target)
        os.close(target)
        os.close(tree)
        context.root_fd = os.open(merged, os.O_DIRECTORY | _O_PATH)


class MountNew(NamedTuple):
    """A fresh file system on a directory of the root."""

    target: str
    kind: str
    options: tuple[tuple[str, str], ...]
    attributes: int

    def describe(self) -> str:
        return f"mount a fresh {self.kind} on {self.target}"

    def apply(self, context: Context) -> None:
        detached = syscalls.new_filesystem(self.kind, self.options, self.attributes)
        try:
            target = _directory(context.root_fd, self.target)
            try:
                syscalls.move_mount(detached, target)
            finally:
                os.close(target)
        finally:
            os.close(detached)


class BindMount(NamedTuple):
    """A file or directory of the host.

    The spawner opens the source: a container's root may not search the directories above it.
    """

    source: str
    target: str
    attributes: int
    recursive: bool

    def describe(self) -> str:
        return f"bind {self.source} on {self.target}"

    def apply(self, context: Context) -> None:
        tree = context.sources[self.source]
        try:
            if stat.S_ISDIR(os.stat(tree).st_mode):
                target = _directory(context.root_fd, self.target)
            else:
                target = _file(context.root_fd, self.target)
            try:
                syscalls.move_mount(tree, target)
            finally:
                os.close(target)
        finally:
            os.close(tree)


def open_source(bind: BindMount) -> int:
    """Copy the source's mount, detached, with its attributes; done by the spawner."""
    flags = syscalls.OPEN_TREE_CLONE | (syscalls.AT_RECURSIVE if bind.recursive else 0)
    try:
        tree = syscalls.open_tree(bind.source, flags)
    except OSError as error:
        raise OSError(error.errno, error.strerror, bind.source) from error
    try:
        if bind.attributes:
            syscalls.mount_setattr(tree, add=bind.attributes, recursive=bind.recursive)
    except OSError:
        os.close(tree)
        raise
    return tree


class Devices(NamedTuple):
    """Bind the harmless devices into the fresh /dev, and make its customary links.

    /dev is our own tmpfs by now, so nothing in it can be a trap; the host's nodes are checked to
    be the devices they are named after (CVE-2025-31133).
    """

    names: tuple[str, ...]

    def describe(self) -> str:
        return f"provide /dev/{{{','.join(self.names)}}}"

    def apply(self, context: Context) -> None:
        dev = syscalls.open_in_root(context.root_fd, "dev", _O_PATH | os.O_DIRECTORY)
        try:
            for name in self.names:
                tree = syscalls.open_tree(f"/dev/{name}", syscalls.OPEN_TREE_CLONE)
                status = os.stat(tree)
                number = (os.major(status.st_rdev), os.minor(status.st_rdev))
                if not stat.S_ISCHR(status.st_mode) or _DEVICES.get(name, number) != number:
                    raise OSError(errno.ENODEV, f"/dev/{name} of the host is something else")
                target = os.open(name, os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666, dir_fd=dev)
                syscalls.move_mount(tree, target)
                os.close(target)
                os.close(tree)
            for name, value in _LINKS:
                os.symlink(value, name, dir_fd=dev)
        finally:
            os.close(dev)


class PivotRoot(NamedTuple):
    """Make the root the namespace's own and let go of the host's."""

    def describe(self) -> str:
        return "pivot into the root and detach the host's"

    def apply(self, context: Context) -> None:
        os.fchdir(context.root_fd)
        syscalls.pivot_root(".", ".")
        syscalls.umount(".")
        os.chdir("/")


class Chroot(NamedTuple):
    """Change the root alone, as a native run does; no mount belongs to the container."""

    path: str

    def describe(self) -> str:
        return f"chroot into {self.path or 'the image'}"

    def apply(self, context: Context) -> None:
        os.chroot(self.path or context.lower)
        os.chdir("/")


class MaskPaths(NamedTuple):
    """Hide files behind /dev/null and directories behind an empty read-only tmpfs."""

    paths: tuple[str, ...]

    def describe(self) -> str:
        return f"mask {', '.join(self.paths)}"

    def apply(self, context: Context) -> None:
        null = os.open("/dev/null", _O_PATH | os.O_NOFOLLOW)
        if os.stat(null).st_rdev != os.makedev(1, 3):
            raise OSError(errno.ENODEV, "/dev/null of the container is something else")
        empty = -1
        for path in self.paths:
            target = _existing(context.root_fd, path)
            if target < 0:
                continue
            if stat.S_ISDIR(os.stat(target).st_mode):
                if empty < 0:
                    options = (("size", "0"), ("mode", "0555"))
                    empty = syscalls.new_filesystem(
                        "tmpfs", options, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV
                    )
                    syscalls.move_mount(empty, target)
                    os.close(target)
                    continue
                tree = syscalls.open_tree(
                    "", syscalls.OPEN_TREE_CLONE | syscalls.AT_EMPTY_PATH, directory=empty
                )
            else:
                tree = syscalls.open_tree(
                    "", syscalls.OPEN_TREE_CLONE | syscalls.AT_EMPTY_PATH, directory=null
                )
            syscalls.move_mount(tree, target)
            os.close(tree)
            os.close(target)
        if empty >= 0:
            os.close(empty)
        os.close(null)


class ReadonlyPaths(NamedTuple):
    """Bind paths over themselves, read-only."""

    paths: tuple[str, ...]

    def describe(self) -> str:
        return f"make {', '.join(self.paths)} read-only"

    def apply(self, context: Context) -> None:
        for path in self.paths:
            target = _existing(context.root_fd, path)
            if target < 0:
                continue
            tree = syscalls.open_tree(
                "",
                syscalls.OPEN_TREE_CLONE | syscalls.AT_EMPTY_PATH | syscalls.AT_RECURSIVE,
                directory=target,
            )
            syscalls.mount_setattr(
                tree,
                add=MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC,
                recursive=True,
            )
            syscalls.move_mount(tree, target)
            os.close(tree)
            os.close(target)


class ReadonlyRoot(NamedTuple):
    """Make the root mount read-only, leaving what is mounted in it as it is."""

    def describe(self) -> str:
        return "make the root read-only"

    def apply(self, context: Context) -> None:
        syscalls.mount_setattr(context.root_fd, add=MOUNT_ATTR_RDONLY)


def _existing(root_fd: int, path: str) -> int:
    try:
        return syscalls.open_in_root(root_fd, path, os.O_PATH)
    except (FileNotFoundError, NotADirectoryError):
        return -1


def _directory(root_fd: int, path: str) -> int:
    """Open a directory below the root, made where it is missing; a link is refused."""
    try:
        return syscalls.open_in_root(root_fd, path, os.O_PATH | os.O_DIRECTORY)
    except FileNotFoundError:
        parent, name = os.path.split(path.rstrip("/"))
        above = _directory(root_fd, parent or "/")
        try:
            os.mkdir(name, 0o755, dir_fd=above)
        finally:
            os.close(above)
        return syscalls.open_in_root(root_fd, path, os.O_PATH | os.O_DIRECTORY)


def _file(root_fd: int, path: str) -> int:
    """Open a file below the root, made where it is missing; a link is refused."""
    try:
        return syscalls.open_in_root(root_fd, path, os.O_PATH)
    except FileNotFoundError:
        parent, name = os.path.split(path)
        above = _directory(root_fd, parent or "/")
        try:
            fd = os.open(name, os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644, dir_fd=above)
            os.close(fd)
        finally:
            os.close(above)
        return syscalls.open_in_root(root_fd, path, os.O_PATH)
