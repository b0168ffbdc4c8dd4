"""System calls by name, and with which arguments each is tried so that it can do no harm."""

from __future__ import annotations

import ctypes
from functools import cache

LAST = 511
"""Last number tried: every table ends below it, and x32's begins above."""

NOT_TRIED = {
    "sync": "it writes back the whole host's caches",
    "vfork": "its child shares the caller's stack",
}
"""Calls that are never tried, with the reason."""

_NOWHERE = (-1,) * 6
"""No valid descriptor, pointer, size, flag, process or user: the kernel refuses the argument right
after its permission check, or does nothing."""

_MILDER = {
    "kill": (1 << 30, 0, 0, 0, 0, 0),  # -1 would mean every process; there is none of this number
    "msgget": (-1, 0, 0, 0, 0, 0),  # all flags set would make a queue that stays
    "semget": (-1, -1, 0, 0, 0, 0),
    "shmget": (-1, -1, 0, 0, 0, 0),
    "init_module": (0, 0, 0, 0, 0, 0),  # a module of no length
    "kexec_load": (0, 17, 0, 0x8000, 0, 0),  # an unknown flag and too many segments
    "reboot": (0, 0, 0, 0, 0, 0),  # without its magic numbers
    "vhangup": (0, 0, 0, 0, 0, 0),  # takes none; the caller has no terminal
}

_REFUSED = frozenset({"EPERM", "ENOSYS", "SIG31"})
"""What a filter answers; EPERM may also be the kernel's own permission check."""


@cache
def _library() -> ctypes.CDLL | None:
    try:
        library = ctypes.CDLL("libseccomp.so.2")
    except OSError:
        return None
    # A char pointer that has to be freed by the caller, hence no c_char_p.
    library.seccomp_syscall_resolve_num_arch.restype = ctypes.c_void_p
    library.seccomp_arch_native.restype = ctypes.c_uint32
    return library


@cache
def name_of(number: int) -> str | None:
    """Return a call's name on this machine; None where libseccomp knows none, or is missing."""
    library = _library()
    if library is None:
        return None
    native = ctypes.c_uint32(library.seccomp_arch_native())
    address = library.seccomp_syscall_resolve_num_arch(native, ctypes.c_int(number))
    if not address:
        return None
    text = ctypes.string_at(address).decode()
    free = ctypes.CDLL(None).free
    free.argtypes = [ctypes.c_void_p]
    free(address)
    return text


def shown(number: int) -> str:
    """Return a call's name, or its number where nobody knows one."""
    return name_of(number) or f"number {number}"


def to_try() -> list[tuple[int, list[int]]]:
    """Return every number to try, with its arguments.

    Without libseccomp nothing is known by name, so nothing is known to be harmless: none.
    """
    if _library() is None:
        return []
    found = []
    for number in range(LAST + 1):
        name = name_of(number)
        if name not in NOT_TRIED:
            found.append((number, list(_MILDER.get(name or "", _NOWHERE))))
    return found


def reached(answer: str) -> bool:
    """Whether an answer from inside means that the call was neither filtered nor forbidden."""
    return answer not in _REFUSED
