"""The spawner's own mount namespace, and what it keeps mounted there.

Nothing is ever mounted in the host's namespace: whatever happens, the mounts go with the last
process that uses them.
"""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, NamedTuple

from runtime import syscalls
from runtime.spawner import wire

if TYPE_CHECKING:
    import socket

_O_PATH = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC
_STEPPING_STONES = ("/tmp", "/mnt", "/proc", "/dev")  # noqa: S108  # never written to


def become_root(channel: socket.socket) -> None:
    """Enter a user namespace in which an ordinary user's spawner is root.

    The engine writes the mapping, by newuidmap(1), which takes the ids of those who are outside.

    Raises:
        OSError: the host does not let its users do so.
    """
    os.unshare(syscalls.CLONE_NEWUSER | syscalls.CLONE_NEWNS)
    wire.send(channel, {"unshared": True})
    wire.receive(channel)
    os.setresgid(0, 0, 0)
    os.setresuid(0, 0, 0)


def enter() -> None:
    """Enter a private mount namespace whose root is the present root directory.

    In a plain chroot the root is not a mount, so the kernel would refuse user namespaces (EPERM,
    current_chrooted()) and pivot_root (EINVAL). A recursive copy of the root is a mount: it is
    put somewhere in the new namespace's own tree, and that namespace pivots into it. The copy of a
    shared mount is its peer, which pivot_root(2) refuses as well: it turns private before.

    Raises:
        OSError: the caller is not privileged, or the kernel lacks open_tree(2) (5.2).
    """
    tree = syscalls.open_tree("/", syscalls.OPEN_TREE_CLONE | syscalls.AT_RECURSIVE)
    os.unshare(syscalls.CLONE_NEWNS)
    own = os.open("/proc/self/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
    os.setns(own, syscalls.CLONE_NEWNS)  # leads to the namespace's root, out of any chroot
    os.close(own)
    syscalls.mount("none", "/", "", syscalls.MS_REC | syscalls.MS_PRIVATE)
    for stone in _STEPPING_STONES:
        try:
            target = os.open(stone, _O_PATH)
        except FileNotFoundError:
            continue
        syscalls.move_mount(tree, target)
        os.close(target)
        break
    else:
        raise OSError(errno.ENOENT, f"none of {', '.join(_STEPPING_STONES)} is a directory")
    os.fchdir(tree)
    os.close(tree)
    syscalls.mount("none", ".", "", syscalls.MS_REC | syscalls.MS_PRIVATE)
    syscalls.pivot_root(".", ".")
    syscalls.umount(".")
    os.chdir("/")


class Mapping(NamedTuple):
    """Texts for uid_map and gid_map, by which an image's owners are shifted; empty for as is."""

    uids: str
    gids: str


class ImageMounts:
    """Image trees as containers see them, mounted once and shared.

    Attributes:
        base: a directory that is a tmpfs in this namespace and empty everywhere else.
    """

    def __init__(self, base: str, marker: str) -> None:
        self.base = base
        self._marker = marker
        self._lowers: dict[tuple[str, Mapping], str] = {}
        self._natives: dict[str, str] = {}
        self.notes: list[str] = []
        options = "mode=0711"
        syscalls.mount(marker, base, "tmpfs", syscalls.MS_NODEV | syscalls.MS_NOSUID, options)
        for name in ("scratch", "merged", "lower", "native"):
            os.mkdir(f"{base}/{name}")
            os.chmod(f"{base}/{name}", 0o711)  # noqa: S103  # searched by containers' ids
        os.chdir(base)

    def close(self) -> None:
        """Unmount everything and remove the directory it was on, which is empty again then."""
        os.chdir("/")
        syscalls.umount(self.base)
        os.rmdir(self.base)

    def lower(self, image: str, mapping: Mapping) -> str:
        """Directory, below `base`, of the image with its owners shifted to the container's ids.

        The path is relative: a container's root may not search the directories above `base`
        (a state directory below /root, say), so children start with `base` as their directory.

        Where the kernel cannot shift this file system's ids (mount_setattr refuses), the image
        itself is used: its files then belong to nobody inside, readable but not ours. That is
        noted, never silent.
        """
        key = (image, mapping)
        if key not in self._lowers:
            name = f"lower/{len(self._lowers)}"
            os.mkdir(f"{self.base}/{name}")
            tree = syscalls.open_tree(image, syscalls.OPEN_TREE_CLONE)
            try:
                if mapping.uids:
                    self._shift_owners(tree, image, mapping)
                point = os.open(f"{self.base}/{name}", _O_PATH)
                syscalls.move_mount(tree, point)
                os.close(point)
            finally:
                os.close(tree)
            self._lowers[key] = name
        return self._lowers[key]

    def _shift_owners(self, tree: int, image: str, mapping: Mapping) -> None:
        userns = user_namespace(mapping)
        try:
            syscalls.mount_setattr(tree, add=syscalls.MOUNT_ATTR_IDMAP, userns_fd=userns)
        except OSError as error:
            self.notes.append(
                f"the kernel cannot map the owners of {image} ({error.strerror}); "
                "its files belong to nobody inside containers"
            )
        finally:
            os.close(userns)

    def native(self, image: str) -> str:
        """The image under an overlay with the host's /proc, /sys and /dev, for chroot alone."""
        if image not in self._natives:
            folder = f"native/{len(self._natives)}"
            for sub in ("", "/layer", "/root"):
                os.mkdir(folder + sub)
            self._mount_native(image, folder)
            self._natives[image] = f"{folder}/root"
        return self._natives[image]

    def renew(self, image: str) -> None:
        """Give the chroot of an image a fresh writable layer, as every container gets one.

        Called after the last process in it has ended, so that no start has to wait for it.
        """
        root = self._natives.get(image)
        if root is None:
            return
        folder = os.path.dirname(root)
        syscalls.umount(root)
        syscalls.umount(f"{folder}/layer")
        self._mount_native(image, folder)

    def _mount_native(self, image: str, folder: str) -> None:
        syscalls.mount(self._marker, f"{folder}/layer", "tmpfs", 0, "mode=0755")
        os.mkdir(f"{folder}/layer/upper")
        os.mkdir(f"{folder}/layer/work")
        layers = f"upperdir={folder}/layer/upper,workdir={folder}/layer/work"
        root = f"{folder}/root"
        syscalls.mount(self._marker, root, "overlay", 0, f"lowerdir={image},{layers}")
        handle = os.open(root, _O_PATH)
        for name in ("proc", "sys", "dev"):
            self._bind(handle, name)
        os.close(handle)

    @staticmethod
    def _bind(root_fd: int, name: str) -> None:
        try:
            point = syscalls.open_in_root(root_fd, name, _O_PATH)
        except FileNotFoundError:
            os.mkdir(name, 0o755, dir_fd=root_fd)
            point = syscalls.open_in_root(root_fd, name, _O_PATH)
        tree = syscalls.open_tree(f"/{name}", syscalls.OPEN_TREE_CLONE | syscalls.AT_RECURSIVE)
        syscalls.move_mount(tree, point)
        os.close(tree)
        os.close(point)


def user_namespace(mapping: Mapping) -> int:
    """Descriptor of a user namespace with these mappings, kept alive by nothing else."""
    ours, theirs = os.pipe2(os.O_CLOEXEC)
    pid, pidfd = syscalls.clone3(syscalls.CLONE_NEWUSER)
    if pid == 0:
        os.close(theirs)
        os.read(ours, 1)
        os._exit(0)
    try:
        os.close(ours)
        write_mapping(pid, mapping)
        return os.open(f"/proc/{pid}/ns/user", os.O_RDONLY | os.O_CLOEXEC)
    finally:
        os.close(theirs)
        os.close(pidfd)
        os.waitpid(pid, 0)


def write_mapping(pid: int, mapping: Mapping) -> None:
    """Write uid_map and gid_map of a process in a new user namespace (user_namespaces(7))."""
    for name, text in (("uid_map", mapping.uids), ("gid_map", mapping.gids)):
        fd = os.open(f"/proc/{pid}/{name}", os.O_WRONLY | os.O_CLOEXEC)
        try:
            os.write(fd, text.encode())
        finally:
            os.close(fd)
