"""System calls that Python's own `os` lacks, through ctypes, declared once.

Wrappers are thin: arguments as the man page has them, an OSError with the kernel's number when
the call fails. The numbers of calls from 424 on are the same on every architecture; older ones
stand in a table. Imported by the spawner, so nothing heavier than ctypes is imported here.
"""

# ruff: noqa: D402, N801  # wrappers and structures keep the man pages' names

from __future__ import annotations

import ctypes
import os
from ctypes import c_char_p, c_int, c_long, c_size_t, c_uint, c_uint16, c_uint64, c_void_p
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

# Flags of clone(2).
CLONE_NEWTIME = 0x00000080
CLONE_NEWNS = 0x00020000
CLONE_NEWCGROUP = 0x02000000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000
CLONE_PIDFD = 0x00001000
CLONE_PARENT = 0x00008000
CLONE_INTO_CGROUP = 0x200000000
SIGCHLD = 17

# Flags of mount(2) and umount2(2).
MS_NOSUID, MS_NODEV = 2, 4
MS_BIND = 4096
MS_REC = 16384
MS_UNBINDABLE, MS_PRIVATE, MS_SLAVE, MS_SHARED = 1 << 17, 1 << 18, 1 << 19, 1 << 20
MNT_DETACH = 2

# the file-descriptor based mount API, mount_setattr(2), openat2(2)
OPEN_TREE_CLONE = 1
OPEN_TREE_CLOEXEC = os.O_CLOEXEC
AT_FDCWD = -100
AT_EMPTY_PATH = 0x1000
AT_RECURSIVE = 0x8000
MOVE_MOUNT_F_EMPTY_PATH = 0x04
MOVE_MOUNT_T_EMPTY_PATH = 0x40
MOUNT_ATTR_RDONLY, MOUNT_ATTR_NOSUID, MOUNT_ATTR_NODEV, MOUNT_ATTR_NOEXEC = 1, 2, 4, 8
MOUNT_ATTR_STRICTATIME = 0x20
MOUNT_ATTR_IDMAP = 0x100000
RESOLVE_NO_MAGICLINKS, RESOLVE_NO_SYMLINKS, RESOLVE_IN_ROOT = 0x02, 0x04, 0x10

PR_SET_CHILD_SUBREAPER, PR_SET_NO_NEW_PRIVS = 36, 38
SECCOMP_SET_MODE_FILTER = 1

_NUMBERS = {  # x86_64, aarch64 (include/uapi/asm-generic/unistd.h serves riscv64 too)
    "pivot_root": (155, 41),
    "bpf": (321, 280),
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
_pidfd_getfd = _raw("pidfd_getfd", 438, c_int, c_int, c_uint)
_pivot_root = _old("pivot_root", c_char_p, c_char_p)
_bpf = _old("bpf", c_int, c_void_p, c_uint)
_seccomp = _old("seccomp", c_uint, c_uint, c_void_p)
_mount = _wrapped("mount", c_char_p, c_char_p, c_char_p, c_long, c_char_p)
_umount2 = _wrapped("umount2", c_char_p, c_int)
_fstatfs = _wrapped("fstatfs", c_int, c_void_p)
_prctl = _wrapped("prctl", c_int, c_long, c_long, c_long, c_long)


def clone3(flags: int, *, cgroup_fd: int = -1) -> tuple[int, int]:
    """Fork with flags; returns (pid, pidfd), which is (0, -1) in the child.

    The caller must be single-threaded: Python's own after-fork work (locks, thread state) is
    skipped, since there is nothing for it to repair.

    Args:
        flags: CLONE_* bits.
        cgroup_fd: directory of the cgroup v2 to be born in, -1 for the caller's own.
    """
    pidfd = c_int(-1)
    args = _clone_args(
        flags=flags | CLONE_PIDFD, pidfd=ctypes.addressof(pidfd), exit_signal=SIGCHLD
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


def file_system(fd: int) -> int:
    """The magic number of a descriptor's file system (fstatfs(2))."""
    buffer = (c_long * 32)()  # struct statfs is 120 bytes, its type first
    _fstatfs(fd, ctypes.addressof(buffer))
    return buffer[0]


def pidfd_getfd(pidfd: int, number: int) -> int:
    """A copy of another process's descriptor (pidfd_getfd(2)); close-on-exec."""
    return _pidfd_getfd(pidfd, number, 0)


def bpf(command: int, attributes: bytearray) -> int:
    """bpf(2); what the kernel answers beside its result stands in `attributes`."""
    buffer = (ctypes.c_char * len(attributes)).from_buffer(attributes)
    return _bpf(command, ctypes.addressof(buffer), len(attributes))


def load_seccomp(program: bytes, flags: int = 0) -> int:
    """Install a BPF program (an array of struct sock_filter) as this thread's filter.

    Returns the listener's descriptor where the flags have SECCOMP_FILTER_FLAG_NEW_LISTENER.
    """
    buffer = ctypes.create_string_buffer(program, len(program))
    fprog = _sock_fprog(len=len(program) // 8, filter=ctypes.addressof(buffer))
    return _seccomp(SECCOMP_SET_MODE_FILTER, flags, ctypes.addressof(fprog))
