"""Load filters in forked children, in turn, and time the load and the calls under each.

It is run as a program, which has one thread and little memory to fork: ``python -m
benchmarks.suites.filters ROUNDS`` prints what `measure` returns as JSON.
"""

import ctypes
import gc
import json
import os
import struct
import sys
import time
from collections.abc import Callable

from runtime import seccomp
from runtime.harness import syscalls
from runtime.seccomp import actions, assembly, library, numbers
from runtime.seccomp.compiler import SPEC_ALLOW

NONE = "no filter"
CALLS = 2000
_STAMPS = struct.Struct("=8q")
_libc = ctypes.CDLL(None)
_QUERY = ctypes.c_ulong(0xFFFFFFFF)
#: Allowed by its number; allowed by an argument; refused by its number. None does anything.
KINDS: dict[str, Callable[[], object]] = {
    "allowed": _libc.getppid,
    "allowed by argument": lambda: _libc.personality(_QUERY),
    "refused": lambda: _libc.unshare(0),
}


def ways() -> dict[str, tuple[bytes, int]]:
    """Return name to program and flags; an empty program loads no filter."""
    default = seccomp.compile_profile("default")
    return {
        NONE: (b"", 0),
        "one instruction": (assembly.encode([assembly.answer(actions.ALLOW)]), 0),
        "default": (default, 0),
        "default, SPEC_ALLOW": (default, SPEC_ALLOW),
        "default, libseccomp's tree": (_by_library(search=True), 0),
        "default, libseccomp's list": (_by_library(search=False), 0),
        "hardened": (seccomp.compile_profile("hardened"), 0),
        "docker-like": (seccomp.compile_profile("docker-like"), 0),
    }


def _by_library(*, search: bool) -> bytes:
    profile = seccomp.find("default")
    with library.Builder(profile.default, profile.default, search=search) as builder:
        for rule in profile.rules:
            for name in rule.names:
                number = numbers.number_of(name)
                if number is not None and number >= 0:
                    builder.rule(rule.encoded, number, rule.args)
        return builder.program()


def measure(rounds: int) -> dict[str, dict[str, list[tuple[int, int]]]]:
    """Measure every way; return for it and for "load" or a kind of call the stamps around each.

    Each round visits every way once, so that a disturbance of the host affects all alike. Stamps,
    in CLOCK_MONOTONIC nanoseconds, are taken before and after one load, or `CALLS` calls.
    """
    found: dict[str, dict[str, list[tuple[int, int]]]] = {
        way: {what: [] for what in ("load", *KINDS)} for way in ways()
    }
    for _ in range(rounds):
        for way, (program, flags) in ways().items():
            stamps = _once(program, flags)
            for at, what in enumerate(("load", *KINDS)):
                found[way][what].append((stamps[2 * at], stamps[2 * at + 1]))
    return found


def _once(program: bytes, flags: int) -> tuple[int, ...]:
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.write(writer, _STAMPS.pack(*_in_child(program, flags)))
        finally:
            os._exit(0)
    os.close(writer)
    data = os.read(reader, _STAMPS.size)
    os.close(reader)
    os.waitpid(pid, 0)
    return _STAMPS.unpack(data)


def _in_child(program: bytes, flags: int) -> list[int]:
    syscalls.prctl(syscalls.PR_SET_NO_NEW_PRIVS, 1)
    ctypes.create_string_buffer(program, len(program) or 1)  # the type is made on the first use
    stamps = [time.monotonic_ns()]
    if program:
        syscalls.load_seccomp(program, flags)
    stamps.append(time.monotonic_ns())
    for call in KINDS.values():
        stamps.append(time.monotonic_ns())
        for _ in range(CALLS):
            call()
        stamps.append(time.monotonic_ns())
    return stamps


if __name__ == "__main__":
    gc.disable()  # or it would run in the children, always at the same place
    sys.stdout.write(json.dumps(measure(int(sys.argv[1]))))
