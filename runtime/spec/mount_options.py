"""Mount options of the OCI runtime-spec, and what each means to the mount calls.

Sources: config.md, "Linux mount options"; mount(8); mount_setattr(2); include/uapi/linux/mount.h
and fs/fs_context.c (kernel 6.18).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from runtime.spec.tables import PROPAGATIONS

if TYPE_CHECKING:
    from collections.abc import Iterable

MS_REC = 1 << 14
MOUNT_ATTR_RDONLY = 0x01
MOUNT_ATTR_NOSUID = 0x02
MOUNT_ATTR_NODEV = 0x04
MOUNT_ATTR_NOEXEC = 0x08
MOUNT_ATTR_RELATIME = 0x00
MOUNT_ATTR_NOATIME = 0x10
MOUNT_ATTR_STRICTATIME = 0x20
MOUNT_ATTR_ATIME = 0x70
"""Mask of the three above, which are one choice (MOUNT_ATTR__ATIME)."""
MOUNT_ATTR_NODIRATIME = 0x80
MOUNT_ATTR_NOSYMFOLLOW = 0x200000

_SET = {
    "ro": MOUNT_ATTR_RDONLY,
    "nosuid": MOUNT_ATTR_NOSUID,
    "nodev": MOUNT_ATTR_NODEV,
    "noexec": MOUNT_ATTR_NOEXEC,
    "nodiratime": MOUNT_ATTR_NODIRATIME,
    "nosymfollow": MOUNT_ATTR_NOSYMFOLLOW,
}
_CLEAR = {
    "rw": MOUNT_ATTR_RDONLY,
    "suid": MOUNT_ATTR_NOSUID,
    "dev": MOUNT_ATTR_NODEV,
    "exec": MOUNT_ATTR_NOEXEC,
    "diratime": MOUNT_ATTR_NODIRATIME,
    "symfollow": MOUNT_ATTR_NOSYMFOLLOW,
}
_ATIME = {
    "relatime": MOUNT_ATTR_RELATIME,
    "noatime": MOUNT_ATTR_NOATIME,
    "strictatime": MOUNT_ATTR_STRICTATIME,
}
#: Only takes the named choice back.
_NOT_ATIME = {
    "norelatime": MOUNT_ATTR_RELATIME,
    "atime": MOUNT_ATTR_NOATIME,
    "nostrictatime": MOUNT_ATTR_STRICTATIME,
}
#: Of the file system, not of the mount: fsconfig(2) takes them as flags (vfs_parse_sb_flag), and a
#: bind mount cannot change them.
_SUPERBLOCK = {
    "sync": "async",
    "dirsync": None,
    "lazytime": "nolazytime",
    "mand": "nomand",
}
_WITHDRAWN = {undo: name for name, undo in _SUPERBLOCK.items() if undo is not None}
#: Known to mount(8) and without effect here: the defaults themselves, how much the kernel logs, and
#: inode versions, for which fsconfig(2) has no word.
_IGNORED = ("defaults", "silent", "loud", "iversion", "noiversion")
_PROPAGATION = {
    **PROPAGATIONS,
    **{f"r{name}": flag | MS_REC for name, flag in PROPAGATIONS.items()},
}
_KINDS = ("bind", "rbind", "remount", "idmap", "ridmap", "tmpcopyup", "copy-symlink")
#: Options that have a recursive form, spelt with an "r" in front.
_RECURSIVE = (*_SET, *_CLEAR, *_ATIME, *_NOT_ATIME)

#: Every option that is not one of a file system's own.
KNOWN = tuple(
    sorted(
        (
            *_RECURSIVE,
            *(f"r{name}" for name in _RECURSIVE),
            *_SUPERBLOCK,
            *_WITHDRAWN,
            *_IGNORED,
            *_PROPAGATION,
            *_KINDS,
        )
    )
)


class MountOptions(NamedTuple):
    """A mount's options, sorted by the call that takes them.

    Attributes:
        bind: an existing tree is bound, `recursive` with all that is mounted below it.
        remount: change what is mounted there instead of mounting anything.
        attr_set: MOUNT_ATTR_* to set by fsmount(2) or mount_setattr(2); the later of two that
            contradict wins.
        attr_clr: MOUNT_ATTR_* to clear by mount_setattr(2), which a bind needs to lose what its
            source has. Holds the whole access-time mask where `attr_set` chooses one.
        recursive_attr_set: the same with AT_RECURSIVE, applied after; likewise
            `recursive_attr_clr`.
        propagation: MS_* of mount(2), MS_REC among them where it is recursive; in order, since one
            mount can be made both slave and shared.
        superblock: flags of the file system for fsconfig(2); a bind ignores them.
        data: options of the file system's own, by name and value; a flag has the value "".
        idmap: "idmap", "ridmap" or None: show owners through an id mapping.
        copy_up: fill the new tmpfs with what the image has there.
        copy_symlink: where the source is a symbolic link, make the same one (as crun has it).
    """

    bind: bool = False
    recursive: bool = False
    remount: bool = False
    attr_set: int = 0
    attr_clr: int = 0
    recursive_attr_set: int = 0
    recursive_attr_clr: int = 0
    propagation: tuple[int, ...] = ()
    superblock: tuple[str, ...] = ()
    data: tuple[tuple[str, str], ...] = ()
    idmap: str | None = None
    copy_up: bool = False
    copy_symlink: bool = False


def parse(options: Iterable[str]) -> MountOptions:
    """Sort a mount's options; what the table does not know belongs to the file system."""
    mount, tree = _Attributes(), _Attributes()
    words = set()
    propagation: list[int] = []
    superblock: list[str] = []
    data: list[tuple[str, str]] = []
    idmap = None
    for option in options:
        if mount.take(option) or (option[:1] == "r" and tree.take(option[1:])):
            continue
        if option in _PROPAGATION:
            propagation.append(_PROPAGATION[option])
        elif option in ("idmap", "ridmap"):
            idmap = option
        elif option in _KINDS:
            words.add(option)
        elif option in _SUPERBLOCK:
            superblock.append(option)
        elif option in _WITHDRAWN:
            superblock = [name for name in superblock if name != _WITHDRAWN[option]]
        elif option not in _IGNORED:
            name, _, value = option.partition("=")
            data.append((name, value))
    return MountOptions(
        bind=not words.isdisjoint(("bind", "rbind")),
        recursive="rbind" in words,
        remount="remount" in words,
        attr_set=mount.set,
        attr_clr=mount.clear,
        recursive_attr_set=tree.set,
        recursive_attr_clr=tree.clear,
        propagation=tuple(propagation),
        superblock=tuple(superblock),
        data=tuple(data),
        idmap=idmap,
        copy_up="tmpcopyup" in words,
        copy_symlink="copy-symlink" in words,
    )


class _Attributes:
    """One attr_set and attr_clr in the making; the last word on each attribute counts."""

    def __init__(self) -> None:
        self._bits = self._off = 0
        self._atime: int | None = None

    def take(self, option: str) -> bool:
        if option in _SET:
            self._bits |= _SET[option]
            self._off &= ~_SET[option]
        elif option in _CLEAR:
            self._bits &= ~_CLEAR[option]
            self._off |= _CLEAR[option]
        elif option in _ATIME:
            self._atime = _ATIME[option]
        elif option in _NOT_ATIME:
            if self._atime in (None, _NOT_ATIME[option]):
                self._atime = MOUNT_ATTR_RELATIME  # what the kernel does where nothing is said
        else:
            return False
        return True

    @property
    def set(self) -> int:
        return self._bits | (self._atime or 0)

    @property
    def clear(self) -> int:
        # mount_setattr(2): the access times are one choice, so the whole mask has to be cleared
        return self._off | (0 if self._atime is None else MOUNT_ATTR_ATIME)
