"""The last steps, in the order that isolation asks for: privileges go, then the filter, then exec.

Sources: capabilities(7), prctl(2), seccomp(2); the order is runc's (libcontainer/
standard_init_linux.go) with the filter last, so that it need not allow what set-up itself calls.
"""

from __future__ import annotations

import errno
import os
import resource
import stat
import time
from typing import TYPE_CHECKING, NamedTuple

from runtime import syscalls

if TYPE_CHECKING:
    from runtime.operations.context import Context

SIGKILL = 9
_LAST_CAPABILITY = 63
DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class SetRlimit(NamedTuple):
    """One resource limit; `which` is RLIMIT_* as a number."""

    which: int
    soft: int
    hard: int

    def describe(self) -> str:
        return f"set resource limit {self.which} to {self.soft}/{self.hard}"

    def apply(self, context: Context) -> None:
        resource.setrlimit(self.which, (self.soft, self.hard))


class NoNewPrivileges(NamedTuple):
    """Set-user-id programs and file capabilities give nothing from here on."""

    def describe(self) -> str:
        return "set no_new_privs"

    def apply(self, context: Context) -> None:
        syscalls.prctl(syscalls.PR_SET_NO_NEW_PRIVS, 1)


class BoundCapabilities(NamedTuple):
    """Take everything else out of the bounding set; must precede the change of ids."""

    keep: int

    def describe(self) -> str:
        return f"bound the capabilities to {self.keep:#x}"

    def apply(self, context: Context) -> None:
        for number in range(_LAST_CAPABILITY):
            if not self.keep >> number & 1:
                try:
                    syscalls.prctl(syscalls.PR_CAPBSET_DROP, number)
                except OSError as error:
                    if error.errno == errno.EINVAL:  # one past the kernel's last capability
                        break
                    raise


class DropCapabilities(NamedTuple):
    """Effective and permitted to what is kept; inheritable and ambient empty."""

    keep: int

    def describe(self) -> str:
        return f"keep only the capabilities {self.keep:#x}"

    def apply(self, context: Context) -> None:
        syscalls.prctl(syscalls.PR_CAP_AMBIENT, syscalls.PR_CAP_AMBIENT_CLEAR_ALL)
        syscalls.capset(self.keep)


class WorkingDirectory(NamedTuple):
    """Enter the working directory and make sure it lies inside (CVE-2024-21626)."""

    path: str

    def describe(self) -> str:
        return f"enter the working directory {self.path}"

    def apply(self, context: Context) -> None:
        os.chdir(self.path)
        if not os.getcwd().startswith("/"):
            raise OSError(errno.ENOENT, "the working directory lies outside the root")


class NewSession(NamedTuple):
    """A session of its own, away from the harness's terminal."""

    def describe(self) -> str:
        return "start a new session"

    def apply(self, context: Context) -> None:
        os.setsid()


class DieWithParent(NamedTuple):
    """SIGKILL when the spawner dies; last of the identity steps, since a change of ids clears it.

    prctl(2): the signal is tied to the parent, which may be gone already, so it is checked after.
    """

    def describe(self) -> str:
        return "die with the spawner"

    def apply(self, context: Context) -> None:
        syscalls.prctl(syscalls.PR_SET_PDEATHSIG, SIGKILL)
        # Inside a pid namespace the parent reads as 0; a dead spawner shows as a closed socket.
        if os.getppid() not in (0, context.parent):
            raise OSError(errno.ESRCH, "the spawner is gone")


class ReportReady(NamedTuple):
    """Tell the spawner that everything asked for is in place; only filter and exec follow."""

    def describe(self) -> str:
        return "report that the set-up is complete"

    def apply(self, context: Context) -> None:
        os.write(context.control, b"r%d" % time.monotonic_ns())


class CloseDescriptors(NamedTuple):
    """Everything from `first` on closes with the exec (CVE-2024-21626, CVE-2016-9962)."""

    first: int

    def describe(self) -> str:
        return f"close every descriptor from {self.first} on at exec, but those the workload gets"

    def apply(self, context: Context) -> None:
        syscalls.close_range_on_exec(self.first)
        for number in context.passed:
            os.set_inheritable(number, True)  # noqa: FBT003  # positional only


class Filter(NamedTuple):
    """Load the system-call filter; nothing but exec comes after."""

    name: str

    def describe(self) -> str:
        return f"load the seccomp profile {self.name!r}"

    def apply(self, context: Context) -> None:
        syscalls.load_seccomp(context.filters[self.name])


class Exec(NamedTuple):
    """Become the workload, below a small init where one is asked for.

    The init is executed from a sealed memory file (CVE-2019-5736): no file of the host is behind
    /proc/1/exe.
    """

    init: bool

    def describe(self) -> str:
        return "execute the workload" + (" below an init" if self.init else "")

    def apply(self, context: Context) -> None:
        program = find_program(context.argv[0], context.env)
        if self.init:
            argv = ["init", "--", program, *context.argv[1:]]
            syscalls.exec_fd(context.init_fd, argv, context.env)
        else:
            environment = dict(entry.split("=", 1) for entry in context.env)
            os.execve(program, list(context.argv), environment)  # noqa: S606  # no shell wanted


def find_program(name: str, env: object) -> str:
    """Path of a program as execvp(3) would find it.

    Raises:
        OSError: ENOENT, EACCES; says so before PID 1 would report a bare 127.
    """
    if "/" in name:
        _check_executable(name)
        return name
    path = DEFAULT_PATH
    for entry in env:  # type: ignore[attr-defined]
        if entry.startswith("PATH="):
            path = entry[5:]
    for folder in path.split(":"):
        candidate = f"{folder or '.'}/{name}"
        if os.access(candidate, os.X_OK) and os.path.isfile(candidate):
            return candidate
    raise OSError(errno.ENOENT, f"no program {name!r} in {path}")


def _check_executable(path: str) -> None:
    status = os.stat(path)
    if not stat.S_ISREG(status.st_mode) or not os.access(path, os.X_OK):
        raise OSError(errno.EACCES, f"{path!r} is not an executable file")
