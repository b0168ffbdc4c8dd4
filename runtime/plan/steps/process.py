"""The last steps, in the order that isolation asks for: privileges go, then the filter, then exec.

Sources: capabilities(7), prctl(2), seccomp(2), landlock(7); the order is runc's (libcontainer/
standard_init_linux.go) with the filter last, so that it need not allow what set-up itself calls.
"""

from __future__ import annotations

from typing import Any, NamedTuple


class SetRlimit(NamedTuple):
    """One resource limit; `which` is RLIMIT_* as a number, -1 stands for no limit."""

    which: int
    soft: int
    hard: int

    def describe(self) -> str:
        return f"set resource limit {self.which} to {self.soft}/{self.hard}"

    def wire(self) -> tuple[int, ...]:
        return tuple(self)


class ChangeProfile(NamedTuple):
    """Have the exec change to an AppArmor profile (aa_change_onexec(2))."""

    name: str

    def describe(self) -> str:
        return f"confine by the AppArmor profile {self.name!r}"

    def wire(self) -> tuple[str]:
        return (self.name,)


class NoNewPrivileges(NamedTuple):
    """Set-user-id programs and file capabilities give nothing from here on."""

    def describe(self) -> str:
        return "set no_new_privs"

    def wire(self) -> tuple[()]:
        return ()


class BoundCapabilities(NamedTuple):
    """Take everything else out of the bounding set; must precede the change of ids."""

    keep: int

    def describe(self) -> str:
        return f"bound the capabilities to {self.keep:#x}"

    def wire(self) -> tuple[int]:
        return (self.keep,)


class KeepCapabilities(NamedTuple):
    """Let the permitted set survive the change of ids, until `SetCapabilities`."""

    def describe(self) -> str:
        return "keep the permitted capabilities across the change of ids"

    def wire(self) -> tuple[()]:
        return ()


class SetCapabilities(NamedTuple):
    """The four sets of the process itself, as masks; as a rule the last two are empty."""

    effective: int
    permitted: int
    inheritable: int = 0
    ambient: int = 0

    def describe(self) -> str:
        return f"keep only the capabilities {self.permitted:#x}"

    def wire(self) -> tuple[int, ...]:
        return tuple(self)


class SetUmask(NamedTuple):
    """The mask of file modes."""

    umask: int

    def describe(self) -> str:
        return f"set the umask to {self.umask:04o}"

    def wire(self) -> tuple[int]:
        return (self.umask,)


class SetPersonality(NamedTuple):
    """The execution domain (personality(2))."""

    persona: int

    def describe(self) -> str:
        return f"set the personality to {self.persona:#x}"

    def wire(self) -> tuple[int]:
        return (self.persona,)


class SetScheduler(NamedTuple):
    """The scheduling policy, in sched_setattr(2)'s numbers; times in ns."""

    policy: int
    flags: int
    nice: int
    priority: int
    runtime_ns: int
    deadline_ns: int
    period_ns: int

    def describe(self) -> str:
        return f"set the scheduling policy {self.policy}"

    def wire(self) -> tuple[int, ...]:
        return tuple(self)


class SetIoPriority(NamedTuple):
    """The I/O priority, class and level in one number (ioprio_set(2))."""

    value: int

    def describe(self) -> str:
        return f"set the I/O priority {self.value:#x}"

    def wire(self) -> tuple[int]:
        return (self.value,)


class SetAffinity(NamedTuple):
    """The CPUs it may run on."""

    cpus: tuple[int, ...]

    def describe(self) -> str:
        return f"run on the CPUs {', '.join(map(str, self.cpus))}"

    def wire(self) -> tuple[tuple[int, ...]]:
        return (self.cpus,)


class OwnStdio(NamedTuple):
    """Give standard input, output and error to the workload's user.

    `terminal`: they are one of the container's own.
    """

    uid: int
    gid: int
    terminal: bool

    def describe(self) -> str:
        return f"give the standard descriptors to user {self.uid}"

    def wire(self) -> tuple[int, int, int]:
        return (self.uid, self.gid, int(self.terminal))


class RestrictLandlock(NamedTuple):
    """Let nothing be used but what is named (landlock(7)).

    Args:
        files: accesses to files that are refused elsewhere, as a mask; likewise `network`.
        scopes: LANDLOCK_SCOPE_* bits.
        paths: directory or file, the accesses allowed below a directory, those to a file.
        ports: TCP port and the accesses allowed.
    """

    files: int
    network: int
    scopes: int
    paths: tuple[tuple[str, int, int], ...]
    ports: tuple[tuple[int, int], ...]

    def describe(self) -> str:
        return f"restrict files to {len(self.paths)} paths by Landlock"

    def wire(self) -> tuple[Any, ...]:
        return tuple(self)


class WorkingDirectory(NamedTuple):
    """Enter the working directory and make sure it lies inside (CVE-2024-21626)."""

    path: str

    def describe(self) -> str:
        return f"enter the working directory {self.path}"

    def wire(self) -> tuple[str]:
        return (self.path,)


class DieWithParent(NamedTuple):
    """SIGKILL when the spawner dies; last of the identity steps, since a change of ids clears it.

    prctl(2): the signal is tied to the parent, which may be gone already, so it is checked after.
    """

    def describe(self) -> str:
        return "die with the spawner"

    def wire(self) -> tuple[()]:
        return ()


class CloseDescriptors(NamedTuple):
    """Everything from 3 on closes with the exec (CVE-2024-21626, CVE-2016-9962)."""

    def describe(self) -> str:
        return "close every descriptor from 3 on at exec, but those the workload gets"

    def wire(self) -> tuple[()]:
        return ()


class FindProgram(NamedTuple):
    """Look the workload's program up, long before it is executed."""

    def describe(self) -> str:
        return "find the workload"

    def wire(self) -> tuple[()]:
        return ()


class Filter(NamedTuple):
    """Load the system-call filter; nothing but exec comes after."""

    name: str

    def describe(self) -> str:
        return f"load the seccomp profile {self.name!r}"

    def wire(self) -> tuple[()]:
        return ()


class Exec(NamedTuple):
    """Become the workload, below a small init where one is asked for.

    The init is executed from a sealed memory file (CVE-2019-5736): no file of the host is behind
    /proc/1/exe.
    """

    init: bool

    def describe(self) -> str:
        return "execute the workload" + (" below an init" if self.init else "")

    def wire(self) -> tuple[int]:
        return (int(self.init),)
