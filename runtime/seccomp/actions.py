"""Actions of a filter (seccomp(2)), as numbers and as OCI names them.

Source: seccomp(2); include/uapi/linux/seccomp.h.
"""

from __future__ import annotations

import errno

KILL_PROCESS = 0x80000000
KILL_THREAD = 0x00000000
TRAP = 0x00030000
ERRNO = 0x00050000
NOTIFY = 0x7FC00000
TRACE = 0x7FF00000
LOG = 0x7FFC0000
ALLOW = 0x7FFF0000

BY_NAME = {
    "SCMP_ACT_KILL": KILL_THREAD,
    "SCMP_ACT_KILL_THREAD": KILL_THREAD,
    "SCMP_ACT_KILL_PROCESS": KILL_PROCESS,
    "SCMP_ACT_TRAP": TRAP,
    "SCMP_ACT_ERRNO": ERRNO,
    "SCMP_ACT_TRACE": TRACE,
    "SCMP_ACT_ALLOW": ALLOW,
    "SCMP_ACT_LOG": LOG,
    "SCMP_ACT_NOTIFY": NOTIFY,
}
#: Largest `errnoRet` of the actions that take one: libseccomp takes errors below the kernel's
#: MAX_ERRNO, and a tracer is handed sixteen bits.
LARGEST_NUMBER = {"SCMP_ACT_ERRNO": 4094, "SCMP_ACT_TRACE": 0xFFFF}

_ACTION, _DATA = 0xFFFF0000, 0x0000FFFF
_WORDS = {number: name.removeprefix("SCMP_ACT_") for name, number in BY_NAME.items()}


def refuse(number: int) -> int:
    """The action that fails a call with this error number."""
    return ERRNO | number


def encode(name: str, number: int | None = None) -> int:
    """The action as a filter returns it; an error number that is not given is EPERM (as in OCI)."""
    if name in LARGEST_NUMBER:
        return BY_NAME[name] | (errno.EPERM if number is None else number)
    return BY_NAME[name]


def refuses(action: int) -> bool:
    """Whether the call is not carried out and nobody else is asked."""
    return action & _ACTION in (KILL_PROCESS, KILL_THREAD, TRAP, ERRNO)


def describe(action: int) -> str:
    """The action in words: "ALLOW", "ERRNO EPERM", "KILL_THREAD"."""
    word = _WORDS.get(action & _ACTION, f"{action:#x}")
    number = action & _DATA
    if word == "ERRNO":
        return f"{word} {errno.errorcode.get(number, number)}"
    return f"{word} {number}" if number else word
