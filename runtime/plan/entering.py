"""The order in which a further process enters a container and is given up to its workload.

Whoever is in a container already may, with CAP_SYS_PTRACE and without a user namespace, seize any
process that is born there. So who enters gives up what the workload does not get before it is born
there: while it has merely joined the other namespaces, nobody inside can name it. runc and crun
drop privileges inside, not dumpable, which that capability passes over (ptrace(2)).

Loading a filter without no_new_privs takes CAP_SYS_ADMIN (seccomp(2)). It is then loaded before the
birth, too, and has to allow what is left to do.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from runtime import syscalls
from runtime.errors import SetupError

if TYPE_CHECKING:
    from runtime.spec import Process, Spec

_TRACE = "CAP_SYS_PTRACE"
#: What remains to be called below a filter that is loaded before the birth; arguments are 0 but for
#: clone's flags (runtime/executor/launch.c).
_CALLS = (
    "capset", "prctl", "clone", "sendmsg", "exit_group", "close", "rt_sigaction", "read", "setsid",
    "ioctl", "prlimit64", "chdir", "getcwd", "getppid", "fcntl", "close_range", "newfstatat",
    "faccessat2", "execve",
)  # fmt: skip
_CLONE_FLAGS = syscalls.CLONE_PARENT | syscalls.CLONE_PIDFD
_ALLOW, _LOG, _ACTION = 0x7FFF0000, 0x7FFC0000, 0xFFFF0000


def filter_comes_first(spec: Spec, workload: Process, program: bytes) -> bool:
    """Whether the filter has to be loaded before the birth inside.

    Args:
        spec: of the container.
        workload: the process that enters.
        program: the filter, b"" for none.

    Raises:
        SetupError: it would have to, and refuses what is left to do.
    """
    if not program or workload.no_new_privileges or spec.linux.namespace("user"):
        return False  # a tracer in a user namespace has no power over a process of the host's
    refused = _refused(program)
    if not refused:
        return True
    if any(_may_trace(process) for process in (spec.process, workload)):
        raise SetupError(
            "enter the container",
            f"its filter refuses {', '.join(refused[:3])}, which entering takes once the filter is "
            f"loaded, and with {_TRACE} it could seize a process that loads it later; allow these "
            "calls, or set process.noNewPrivileges",
        )
    return False


def _refused(program: bytes) -> list[str]:
    from runtime.seccomp.evaluate import AARCH64, X86_64, evaluate
    from runtime.seccomp.numbers import number_of

    arch = AARCH64 if os.uname().machine == "aarch64" else X86_64
    found = []
    for name in _CALLS:
        number = number_of(name)
        if number is None or number < 0:
            continue  # of other architectures alone
        args = (_CLONE_FLAGS,) if name == "clone" else ()
        if evaluate(program, arch, number, args) & _ACTION not in (_ALLOW, _LOG):
            found.append(name)
    return found


def _may_trace(process: Process) -> bool:
    sets = process.capability_sets
    names = sets.bounding if sets is not None else process.capabilities or ()
    return _TRACE in names
