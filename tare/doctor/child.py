"""What the doctor tries in a process of its own; run as ``python -I -S child.py``.

Prints one line a trial, ``name ok`` or ``name ERRNO``. Every trial is made in a forked child, so
namespaces and mounts vanish with it; mounts are made in a private mount namespace only.
"""

from __future__ import annotations

import ctypes
import errno
import os
import sys

TYPE_CHECKING = False  # keeps the typing module out of a process that lives for milliseconds
if TYPE_CHECKING:
    from collections.abc import Callable

_MS_REC, _MS_PRIVATE = 0x4000, 0x40000
_SECCOMP_GET_ACTION_AVAIL, _SECCOMP_RET_ERRNO = 2, 0x00050000
_NUMBERS = {"x86_64": 317, "aarch64": 277}

NAMESPACES = {
    "pid": os.CLONE_NEWPID,
    "uts": os.CLONE_NEWUTS,
    "mount": os.CLONE_NEWNS,
    "ipc": os.CLONE_NEWIPC,
    "network": os.CLONE_NEWNET,
    "cgroup": os.CLONE_NEWCGROUP,
    "time": os.CLONE_NEWTIME,
}

_LIBC = ctypes.CDLL(None, use_errno=True)


def check(result: int) -> None:
    """Turn a call's -1 into an OSError."""
    if result == -1:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def mount(source: str, target: str, kind: str | None, flags: int, options: str = "") -> None:
    """Mount, in whatever mount namespace this process is in (mount(2))."""
    encoded = kind.encode() if kind else None
    check(_LIBC.mount(source.encode(), target.encode(), encoded, flags, options.encode()))


def enter_own_root() -> None:
    """Take a private copy of the mounts, with its real root as ours.

    In a chroot the kernel refuses user namespaces (current_chrooted() in fs/namespace.c), and the
    mounts around it cannot be made private from inside; joining the copy by its descriptor leads
    to its root. The runtime starts its containers in the same way.
    """
    os.unshare(os.CLONE_NEWNS)
    descriptor = os.open("/proc/self/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
    os.setns(descriptor, os.CLONE_NEWNS)
    mount("none", "/", None, _MS_REC | _MS_PRIVATE)


def user() -> None:
    """Make a user namespace, from the real root where the root in use will not do."""
    try:
        os.unshare(os.CLONE_NEWUSER)
    except PermissionError:
        enter_own_root()
        os.unshare(os.CLONE_NEWUSER)


def overlay() -> None:
    """Mount an overlay over a tmpfs, in a mount namespace that dies with this process."""
    enter_own_root()
    base = "/tmp"  # noqa: S108  # covered by a tmpfs of our own before anything is written
    mount("tmpfs", base, "tmpfs", 0)
    for name in ("lower", "upper", "work", "merged"):
        os.mkdir(f"{base}/{name}")  # noqa: PTH102  # pathlib is slow to import
    options = f"lowerdir={base}/lower,upperdir={base}/upper,workdir={base}/work"
    mount("overlay", f"{base}/merged", "overlay", 0, options)


def seccomp() -> None:
    """Ask whether the kernel's filter knows the action that returns an error (seccomp(2))."""
    number = _NUMBERS.get(os.uname().machine)
    if number is None:
        raise OSError(errno.ENOSYS, "unknown machine")
    action = ctypes.c_uint32(_SECCOMP_RET_ERRNO)
    check(_LIBC.syscall(number, _SECCOMP_GET_ACTION_AVAIL, 0, ctypes.byref(action)))


def attempt(trial: Callable[[], None]) -> str:
    """Run a trial in a forked child; ``ok`` or the name of the error."""
    child = os.fork()
    if child == 0:
        code = 0
        try:
            trial()
        except OSError as error:
            code = error.errno or errno.EIO
        except BaseException:  # noqa: BLE001  # the child must not live on
            code = errno.EIO
        os._exit(min(code, 254))
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return "ok" if code == 0 else errno.errorcode.get(code, str(code))


def main() -> None:
    """Try everything."""
    for name, flag in NAMESPACES.items():
        sys.stdout.write(f"{name} {attempt(lambda flag=flag: os.unshare(flag))}\n")  # type: ignore[misc]
    for trial in (user, overlay, seccomp):
        sys.stdout.write(f"{trial.__name__} {attempt(trial)}\n")


if __name__ == "__main__":
    main()
