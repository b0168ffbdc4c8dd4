"""Steps that wait for somebody or tell somebody, and namespaces that can only be entered late."""

from __future__ import annotations

from typing import Any, NamedTuple

TOKENS = {
    "g": "the cgroup limits hold",
    "h": "the hooks of the host's side have run",
    "s": "the container is started",
}


class AwaitMapping(NamedTuple):
    """Wait for the executor, which writes the id mappings on the other processor meanwhile."""

    def describe(self) -> str:
        return "wait until the id mappings are written"

    def wire(self) -> tuple[()]:
        return ()


class Await(NamedTuple):
    """Wait for a token from whoever answers for the container."""

    token: str

    def describe(self) -> str:
        return f"wait until {TOKENS[self.token]}"

    def wire(self) -> tuple[int]:
        return (ord(self.token),)


class Report(NamedTuple):
    """Tell how far things are: "r", everything asked for is in place; "h", hooks may run."""

    letter: str = "r"

    def describe(self) -> str:
        if self.letter == "h":
            return "say that the namespaces are made"
        return "report that the set-up is complete"

    def wire(self) -> tuple[int]:
        return (ord(self.letter),)


class AwaitStart(NamedTuple):
    """Wait until somebody connects to the container's socket; failures are told there then."""

    def describe(self) -> str:
        return "wait for the start"

    def wire(self) -> tuple[()]:
        return ()


class RunHook(NamedTuple):
    """Run a program of the bundle inside the container, with the state on its standard input.

    Args:
        output: file that takes its standard output, "" for where the workload's goes; `errors`
            likewise. Both are opened on the host's side.
        folder: directory to run it in, "" for the present one.
        timeout_ms: -1 for none.
        state: as JSON, with "@PID@" where the process id belongs, as the container sees it
            (runtime.md, "State").
    """

    output: str
    errors: str
    path: str
    args: tuple[str, ...]
    env: tuple[str, ...]
    folder: str
    timeout_ms: int
    state: str

    def describe(self) -> str:
        return f"run the hook {self.path}"

    def wire(self) -> tuple[Any, ...]:
        return tuple(self)


class EnterNamespaces(NamedTuple):
    """Enter the namespaces of a running container; that of the process ids takes a birth."""

    def describe(self) -> str:
        return "enter the container's namespaces"

    def wire(self) -> tuple[()]:
        return ()


class BeBorn(NamedTuple):
    """Go on in a process that is born in the container's pid namespace, and can be seen there."""

    def describe(self) -> str:
        return "be born among the container's processes"

    def wire(self) -> tuple[()]:
        return ()


class Unshare(NamedTuple):
    """Make one more namespace, after what it must capture (the cgroup) is in place."""

    name: str
    flag: int

    def describe(self) -> str:
        return f"make a {self.name} namespace"

    def wire(self) -> tuple[int]:
        return (self.flag,)


class OffsetClock(NamedTuple):
    """Shift a clock of the time namespace (time_namespaces(7)); takes effect with the exec."""

    clock: str
    offset_ns: int

    def describe(self) -> str:
        return f"set the {self.clock} clock of the time namespace {self.offset_ns} ns ahead"

    def wire(self) -> tuple[str, int, int]:
        return (self.clock, *divmod(self.offset_ns, 1_000_000_000))
