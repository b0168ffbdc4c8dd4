"""Instance that an external program has started: its usage, its commands, its stop."""

import contextlib
import os
import signal
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from benchmarks.errors import MeasurementError
from benchmarks.sandboxes import limits, processes
from benchmarks.sandboxes.base import Completed
from benchmarks.sandboxes.external.client import Command, ended
from runtime.harness import oom, usage

_SLICE_S = 0.1
_KILLING_TRIES = 100
_KILLING_PAUSE_S = 0.01


@dataclass(frozen=True)
class Started:
    """The processes and groups that a command has started.

    Attributes:
        name: Name of the instance.
        pid: Its first process, by host pid.
        pidfds: Of the processes whose end is the instance's end.
        stamps: Boundary to CLOCK_MONOTONIC nanoseconds.
        groups: Controller to directory of its own control group; empty without one.
        services: Further host processes that serve it and no other, such as a monitor.
    """

    name: str
    pid: int
    pidfds: tuple[int, ...]
    stamps: Mapping[str, int]
    groups: Mapping[str, Path]
    services: tuple[int, ...] = ()


class Starter(Protocol):
    """Sandbox that has started an instance, as far as the instance needs it."""

    name: str

    def execute(
        self,
        started: Started,
        args: Sequence[str],
        *,
        timeout_s: float,
        stdin: bytes,
    ) -> Completed:
        """Run a further command in it."""

    def terminate(self, started: Started) -> AbstractContextManager[Command | None]:
        """Ask it to end; the context holds the command that does so, or None."""

    def was_killed(self, started: Started) -> bool:
        """Whether the command that asked it to end killed it."""

    def remove(self, started: Started) -> None:
        """Remove what it has left on the host."""


class ExternalInstance:
    """One instance that a command has started."""

    def __init__(self, sandbox: Starter, started: Started) -> None:
        """Take over what was started; its payload has reported its first instruction."""
        self.started = started
        self._sandbox = sandbox
        self._stamps = dict(started.stamps)
        self._removed = False

    @property
    def stamps(self) -> Mapping[str, int]:
        """Boundaries passed so far."""
        return self._stamps

    def run(self, args: Sequence[str], *, timeout_s: float, stdin: bytes = b"") -> Completed:
        """Run a command inside and wait for it."""
        before = self._oom_kills()
        before_run = set(self._inside())
        try:
            done = self._sandbox.execute(self.started, args, timeout_s=timeout_s, stdin=stdin)
        except BaseException:
            # the client has been killed; what it started inside would disturb what comes next
            self._kill_all_but(before_run)
            raise
        if killed := self._oom_kills() - before:
            raise MeasurementError(
                f"{args[0]} in {self._sandbox.name} ran out of memory: the kernel killed {killed} "
                "of its processes at the container's limit; give the campaign more memory_mib",
                out_of_memory=True,
            )
        return done

    def _oom_kills(self) -> int:
        return oom.oom_kills(self.started.groups) or 0

    def pids(self) -> list[int]:
        """Return the host processes of the instance, and those that serve it."""
        return list(dict.fromkeys((*self._own(), *self.started.services)))

    def _inside(self) -> list[int]:
        # not those of its group: on v1 a runtime may leave it in a group of the daemon's
        if ended(self.started.pidfds[0], 0):
            return []
        return usage.namespace_pids(self.started.pid)

    def _kill_all_but(self, kept: Collection[int]) -> None:
        """SIGKILL the processes that were added to the instance, and those they still start."""
        for _ in range(_KILLING_TRIES):
            found = [pid for pid in self._inside() if pid not in kept]
            if not found:
                return
            _kill(found, self._inside)
            time.sleep(_KILLING_PAUSE_S)

    def _own(self) -> list[int]:
        if self.started.groups:
            return usage.group_pids(self.started.groups)
        return usage.descendants(self.started.pid)

    def cpu_seconds(self) -> float | None:
        """Return the CPU time of its group or of its processes, and of those that serve it.

        None once a process that serves it has ended: its share is lost. The children that such a
        process has reaped are left out, since containerd's shim reaps the commands of ``exec``,
        whose time the group has.
        """
        groups = self.started.groups
        served = usage.own_cpu_s(self.started.services)
        if served is None:
            return None
        return usage.cpu_time_s(groups, () if groups else self._own()) + served

    def charged_cpu_seconds(self) -> float | None:
        """Return what its group was charged; None without one."""
        return usage.group_cpu_s(self.started.groups)

    def memory(self) -> Mapping[str, float | None]:
        """Return the ladder over all its processes, and what its group is charged."""
        charged = usage.memory(self.started.groups)
        served = {}
        if services := self.started.services:
            served["helper_pss_bytes"] = processes.ladder(services)["pss_bytes"]
        return {**processes.ladder(self.pids()), **served, **processes.charges(charged)}

    def stop(self) -> None:
        """Ask it to end, kill it after the grace, remove it.

        Raises:
            MeasurementError: It had to be killed, by us or by its manager, or is still there.
        """
        if self._removed:
            return
        self._stamps["stop_asked"] = time.monotonic_ns()
        with self._sandbox.terminate(self.started) as command:
            # a manager works before it sends the signal, and writes its records after the end
            deadline = time.monotonic() + limits.START_TIMEOUT_S
            gone = self._ended(_SLICE_S)
            while not gone and command is not None and command.runs():
                if time.monotonic() > deadline:
                    break
                gone = self._ended(_SLICE_S)
            forced = not (gone or self._ended(limits.STOP_GRACE_S))
            if forced:
                self._kill()
                if not self._ended(limits.KILL_TIMEOUT_S):
                    raise MeasurementError(f"{self.started.name} outlives SIGKILL")
            self._stamps["stopped"] = time.monotonic_ns()
        try:
            forced = forced or self._sandbox.was_killed(self.started)
        finally:
            self._remove()
        if forced:
            raise MeasurementError(
                f"{self._sandbox.name} did not stop within {limits.STOP_GRACE_S:g} s "
                "and was killed",
                timed_out=True,
            )

    def _ended(self, seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        return all(ended(pidfd, deadline - time.monotonic()) for pidfd in self.started.pidfds)

    def _kill(self) -> None:
        for pidfd in self.started.pidfds:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(pidfd, signal.SIGKILL)

    def _remove(self) -> None:
        self._removed = True
        try:
            self._sandbox.remove(self.started)
        finally:
            for pidfd in self.started.pidfds:
                os.close(pidfd)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None:
            self.stop()
        elif not self._removed:
            self._kill()
            self._ended(limits.KILL_TIMEOUT_S)
            self._remove()


def _kill(pids: Collection[int], inside: Callable[[], Collection[int]]) -> None:
    """SIGKILL processes through pidfds: none that has only the number of one that was inside."""
    opened: dict[int, int] = {}
    try:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                opened[pid] = os.pidfd_open(pid)
        for pid in opened.keys() & set(inside()):
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(opened[pid], signal.SIGKILL)
    finally:
        for pidfd in opened.values():
            os.close(pidfd)
