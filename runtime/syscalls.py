"""Every call that Python's own `os` lacks, through ctypes, declared once.

Wrappers are thin: arguments as the man page has them, an OSError with the kernel's number when
the call fails. The numbers of calls from 424 on are the same on every architecture; older ones
stand in a table. Imported by the spawner, so nothing heavier than ctypes is imported here.
"""

# ruff: noqa: D402, N801  # wrappers and structures keep the man pages' names

from __future__ import annotations

import ctypes
import os
from ctypes import c_char_p, c_int, c_long, c_size_t, c_uint, c_uint16, c_uint32, c_uint64, c_void_p
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

# Flags of clone(2).
CLONE_NEWTIME = 0x00000080
CLONE_PARENT = 0x00008000
CLONE_NEWNS = 0x00020000
CLONE_NEWCGROUP = 0x02000000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000
CLONE_PIDFD = 0x00001000
CLONE_INTO_CGROUP = 0x200000000
SIGCHLD = 17

# Flags of mount(2) and umount2(2).
MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC = 1, 2, 4, 8
MS_BIND, MS_REC, MS_PRIVATE, MS_STRICTATIME = 4096, 16384, 1 << 18, 1 << 24
MNT_DETACH = 2

# the file-descriptor based mount API, mount_setattr(2), openat2(2)
OPEN_TREE_CLONE = 1
OPEN_TREE_CLOEXEC = os.O_CLOEXEC
AT_FDCWD = -100
AT_EMPTY_PATH = 0x1000
AT_RECURSIVE = 0x8000
MOVE_MOUNT_F_EMPTY_PATH = 0x04
MOVE_MOUNT_T_EMPTY_PATH = 0x40
FSOPEN_CLOEXEC = 1
FSMOUNT_CLOEXEC = 1
FSCONFIG_SET_FLAG, FSCONFIG_SET_STRING, FSCONFIG_CMD_CREATE = 0, 1, 6
MOUNT_ATTR_RDONLY, MOUNT_ATTR_NOSUID, MOUNT_ATTR_NODEV, MOUNT_ATTR_NOEXEC = 1, 2, 4, 8
MOUNT_ATTR_STRICTATIME = 0x20
MOUNT_ATTR_IDMAP = 0x100000
RESOLVE_NO_MAGICLINKS, RESOLVE_NO_SYMLINKS, RESOLVE_IN_ROOT = 0x02, 0x04, 0x10

# Options of prctl(2), seccomp(2), keyctl(2) and close_range(2).
PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4
PR_CAPBSET_DROP = 24
PR_SET_CHILD_SUBREAPER = 36
PR_SET_NO_NEW_PRIVS = 38
PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL = 47, 4
SECCOMP_SET_MODE_FILTER = 1
KEYCTL_JOIN_SESSION_KEYRING = 1
CLOSE_RANGE_CLOEXEC = 4

_NUMBERS = {  # x86_64, aarch64 (include/uapi/asm-generic/unistd.h serves riscv64 too)
    "pivot_root": (155, 41),
    "keyctl": (250, 219),
    "capset": (126, 91),
    "execveat": (322, 281),
    "seccomp": (317, 277),
}
_COLUMN = 0 if os.uname().machine == "x86_64" else 1

_libc = ctypes.CDLL(None, use_errno=True)


def _failed(name: str) -> OSError:
    number = ctypes.get_errno()
    return OSError(number, f"{name}: {os.strerror(number)}")


def _raw(name: str, number: int, *types: Any) -> Callable[..., int]:
    # Indexing gives a fresh function object, so each call has argument types of its own.
    function = _libc["syscall"]
    function.argtypes = (c_long, *types)
    function.restype = c_long

    def call(*args: Any) -> int:
        result: int = function(number, *args)
        if result < 0:
            raise _failed(name)
        return result

    return call


def _old(name: str, *types: Any) -> Callable[..., int]:
    return _raw(name, _NUMBERS[name][_COLUMN], *types)


def _wrapped(name: str, *types: Any) -> Callable[..., int]:
    function = _libc[name]
    function.argtypes = types
    function.restype = c_int

    def call(*args: Any) -> int:
        result: int = function(*args)
        if result < 0:
            raise _failed(name)
        return result

    return call


class _clone_args(ctypes.Structure):
    _fields_ = tuple(
        (name, c_uint64)
        for name in (
            "flags", "pidfd", "child_tid", "parent_tid", "exit_signal", "stack",
            "stack_size", "tls", "set_tid", "set_tid_size", "cgroup",
        )
    )  # fmt: skip


class _open_how(ctypes.Structure):
    _fields_ = (("flags", c_uint64), ("mode", c_uint64), ("resolve", c_uint64))


class _mount_attr(ctypes.Structure):
    _fields_ = tuple(
        (name, c_uint64) for name in ("attr_set", "attr_clr", "propagation", "userns_fd")
    )


class _sock_fprog(ctypes.Structure):
    _fields_ = (("len", c_uint16), ("filter", c_void_p))


_clone3 = _raw("clone3", 435, c_void_p, c_size_t)
_openat2 = _raw("openat2", 437, c_int, c_char_p, c_void_p, c_size_t)
_mount_setattr = _raw("mount_setattr", 442, c_int, c_char_p, c_uint, c_void_p, c_size_t)
_open_tree = _raw("open_tree", 428, c_int, c_char_p, c_uint)
_move_mount = _raw("move_mount", 429, c_int, c_char_p, c_int, c_char_p, c_uint)
_fsopen = _raw("fsopen", 430, c_char_p, c_uint)
_fsconfig = _raw("fsconfig", 431, c_int, c_uint, c_char_p, c_char_p, c_int)
_fsmount = _raw("fsmount", 432, c_int, c_uint, c_uint)
_close_range = _raw("close_range", 436, c_uint, c_uint, c_uint)
_pivot_root = _old("pivot_root", c_char_p, c_char_p)
_keyctl = _old("keyctl", c_int, c_char_p)
_capset = _old("capset", c_void_p, c_void_p)
_execveat = _old("execveat", c_int, c_char_p, c_void_p, c_void_p, c_int)
_seccomp = _old("seccomp", c_uint, c_uint, c_void_p)
_mount = _wrapped("mount", c_char_p, c_char_p, c_char_p, c_long, c_char_p)
_umount2 = _wrapped("umount2", c_char_p, c_int)
_prctl = _wrapped("prctl", c_int, c_long, c_long, c_long, c_long)


def clone3(flags: int, *, cgroup_fd: int = -1) -> tuple[int, int]:
    """Fork with flags; returns (pid, pidfd), which is (0, -1) in the child.

    The caller must be single-threaded: Python's own after-fork work (locks, thread state) is
    skipped, since it would cost a tenth of the whole start and there is nothing for it to repair.
    """
    pidfd = c_int(-1)
    args = _clone_args(
        flags=flags | CLONE_PIDFD,
        pidfd=ctypes.addressof(pidfd),
        # a sibling made with CLONE_PARENT takes over its maker's signal; naming one is EINVAL
        exit_signal=0 if flags & CLONE_PARENT else SIGCHLD,
    )
    if cgroup_fd >= 0:
        args.flags |= CLONE_INTO_CGROUP
        args.cgroup = cgroup_fd
    pid = _clone3(ctypes.addressof(args), ctypes.sizeof(args))
    return pid, pidfd.value if pid else -1


def mount(source: str, target: str, kind: str, flags: int, data: str = "") -> None:
    """mount(2), for targets that nobody hostile can have prepared."""
    _mount(source.encode(), target.encode(), kind.encode(), flags, data.encode())


def umount(target: str, flags: int = MNT_DETACH) -> None:
    """umount2(2)."""
    _umount2(target.encode(), flags)


def pivot_root(new: str, old: str) -> None:
    """pivot_root(2)."""
    _pivot_root(new.encode(), old.encode())


def open_tree(path: str, flags: int, *, directory: int = AT_FDCWD) -> int:
    """open_tree(2); the descriptor is close-on-exec."""
    return _open_tree(directory, os.fsencode(path), flags | OPEN_TREE_CLOEXEC)


def move_mount(mount_fd: int, target_fd: int) -> None:
    """Attach the detached mount `mount_fd` on what `target_fd` has open (move_mount(2))."""
    _move_mount(mount_fd, b"", target_fd, b"", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH)


def new_filesystem(kind: str, options: Sequence[tuple[str, str]], attributes: int) -> int:
    """A fresh, detached file system as a descriptor (fsopen, fsconfig, fsmount).

    Args:
        kind: file system type.
        options: name and value; an empty value stands for a flag.
        attributes: MOUNT_ATTR_* bits.
    """
    context = _fsopen(kind.encode(), FSOPEN_CLOEXEC)
    try:
        for name, value in options:
            if value:
                _fsconfig(context, FSCONFIG_SET_STRING, name.encode(), os.fsencode(value), 0)
            else:
                _fsconfig(context, FSCONFIG_SET_FLAG, name.encode(), None, 0)
        _fsconfig(context, FSCONFIG_CMD_CREATE, None, None, 0)
        return _fsmount(context, FSMOUNT_CLOEXEC, attributes)
    finally:
        os.close(context)


def mount_setattr(
    fd: int, *, add: int, userns_fd: int = 0, recursive: bool = False, path: str = ""
) -> None:
    """Add attributes to the mount that `fd` (with `path` below it) names (mount_setattr(2))."""
    attr = _mount_attr(attr_set=add, userns_fd=userns_fd)
    flags = AT_EMPTY_PATH | (AT_RECURSIVE if recursive else 0)
    _mount_setattr(fd, os.fsencode(path), flags, ctypes.addressof(attr), ctypes.sizeof(attr))


def open_in_root(root_fd: int, path: str, flags: int, *, links: bool = False) -> int:
    """Open below `root_fd` as if it were "/" (openat2(2)); links are refused unless asked for."""
    resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS | (0 if links else RESOLVE_NO_SYMLINKS)
    how = _open_how(flags=flags | os.O_CLOEXEC, resolve=resolve)
    return _openat2(root_fd, os.fsencode(path), ctypes.addressof(how), ctypes.sizeof(how))


def prctl(option: int, value: int = 0, third: int = 0) -> int:
    """prctl(2)."""
    return _prctl(option, value, third, 0, 0)


# Made once: building ctypes arrays in the child would cost it a tenth of a millisecond.
_CAPABILITY_HEADER = (c_uint32 * 2)(0x20080522, 0)
_CAPABILITY_DATA = (c_uint32 * 6)()


def capset(permitted: int) -> None:
    """Set effective and permitted to `permitted`, inheritable to nothing (capset(2), version 3)."""
    _CAPABILITY_DATA[0] = _CAPABILITY_DATA[1] = permitted & 0xFFFFFFFF
    _CAPABILITY_DATA[3] = _CAPABILITY_DATA[4] = permitted >> 32
    _capset(ctypes.addressof(_CAPABILITY_HEADER), ctypes.addressof(_CAPABILITY_DATA))


def join_session_keyring() -> None:
    """A new, empty session keyring (keyctl(2)): the spawner's keys stay outside."""
    _keyctl(KEYCTL_JOIN_SESSION_KEYRING, None)


def close_range_on_exec(first: int) -> None:
    """Mark every descriptor from `first` on close-on-exec (close_range(2))."""
    _close_range(first, 0xFFFFFFFF, CLOSE_RANGE_CLOEXEC)


def close_all_but(kept: Iterable[int]) -> None:
    """Close every descriptor above 2 that is not kept, at once (close_range(2))."""
    first = 3
    for number in sorted(set(kept)):
        if number > first:
            _close_range(first, number - 1, 0)
        first = max(first, number + 1)
    _close_range(first, 0xFFFFFFFF, 0)


def load_seccomp(program: bytes, flags: int = 0) -> int:
    """Install a BPF program (an array of struct sock_filter) as this thread's filter.

    Returns the listener's descriptor where the flags have SECCOMP_FILTER_FLAG_NEW_LISTENER.
    """
    buffer = ctypes.create_string_buffer(program, len(program))
    fprog = _sock_fprog(len=len(program) // 8, filter=ctypes.addressof(buffer))
    return _seccomp(SECCOMP_SET_MODE_FILTER, flags, ctypes.addressof(fprog))


def exec_fd(fd: int, argv: Sequence[str], env: Sequence[str]) -> None:
    """Execute what `fd` has open (execveat(2)); returns only by OSError."""
    _execveat(fd, b"", _strings(argv), _strings(env), AT_EMPTY_PATH)


def _strings(values: Sequence[str]) -> ctypes.Array[c_char_p]:
    return (c_char_p * (len(values) + 1))(*[os.fsencode(value) for value in values], None)
