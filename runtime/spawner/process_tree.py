"""The tree of processes that the spawner answers for, made by it or left to it.

The spawner is a subreaper, so whatever an instance starts stays below it: children of instances
that share the host's pid namespace become the spawner's own when their parent dies.
"""

from __future__ import annotations

import contextlib
import errno
import os
import select
import signal
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from runtime.spawner.instance import Instance

_DEATH_S = 5.0
_LOOK_S = 0.005
_REST_S = 0.05


class Family:
    """Instances by name, and the ways to see them die.

    Args:
        helpers: processes of the spawner's own that belong to no instance.
    """

    def __init__(self, helpers: Callable[[], tuple[int, ...]]) -> None:
        self.instances: dict[str, Instance] = {}
        self._helpers = helpers

    def adopt(self, instance: Instance) -> None:
        """Answer for one more process."""
        self.instances[instance.name] = instance
        container = self._container(instance)
        if container:
            container.sessions.add(instance.pid)

    def members(self, instance: Instance) -> list[Instance]:
        """The instance and what was executed into it."""
        prefix = f"{instance.name}/"
        inside = [other for name, other in self.instances.items() if name.startswith(prefix)]
        return [instance, *inside]

    def reap(self) -> None:
        """Collect all that ended: instances keep their status, others are just let go."""
        known = {i.pid: i for i in self.instances.values() if i.status is None}
        with contextlib.suppress(ChildProcessError):
            while ended := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT):
                instance = known.get(ended.si_pid)
                if instance is None:
                    os.waitpid(ended.si_pid, 0)
                    continue
                instance.reap()
                container = self._container(instance)
                if container and container is not instance:
                    container.executed_cpu_s += instance.cpu_s

    def population(self, container: Instance) -> list[int]:
        """Living processes of an instance that neither a group nor a pid namespace holds.

        They are what descends from its known processes, and children of the spawner in one of
        their sessions. One that left both its parent and its session is taken for this instance's
        where no other shares the host's pid namespace; else it stays until the last of them goes.
        """
        table = processes()
        mine = {member.pid for member in self.members(container) if member.status is None}
        known = {i.pid for i in self.instances.values() if i.status is None}
        elsewhere = known - mine | set(self._helpers())
        sessions = container.sessions - elsewhere
        alone = not any(
            other.shares_pids and other is not container for other in self.instances.values()
        )
        myself = os.getpid()
        found = [
            pid
            for pid, (_, parent, session) in table.items()
            if parent == myself
            and pid not in elsewhere
            and (pid in mine or session in sessions or (alone and _in_our_pid_namespace(pid)))
        ]
        return _living(table, found)

    def kill(self, container: Instance) -> None:
        """SIGKILL everything that belongs to it; does not wait."""
        if container.group:
            container.group.kill()
        for member in self.members(container):
            member.signal(signal.SIGKILL)
        if container.loose:
            _kill(self.population(container))

    def end(self, container: Instance) -> None:
        """SIGKILL everything that belongs to it and reap it.

        The first process of a pid namespace does not finish before every other one in it was
        reaped, those included whose parent is the spawner: hence no wait for one alone.

        Raises:
            OSError: ETIMEDOUT, a process outlives SIGKILL (it hangs in the kernel).
        """
        deadline = time.monotonic() + _DEATH_S
        members = self.members(container)
        while True:
            self.kill(container)
            self.reap()
            left = [member for member in members if member.status is None]
            strays = self.population(container) if container.loose else []
            if not left and not strays:
                return
            if time.monotonic() > deadline:
                pids = sorted({member.pid for member in left} | set(strays))
                names = ", ".join(map(str, pids))
                raise OSError(
                    errno.ETIMEDOUT,
                    f"process {names} of {container.name} outlives SIGKILL; see /proc/PID/stack",
                )
            _await_death(left, _LOOK_S if strays else _REST_S)

    def end_all(self) -> list[int]:
        """SIGKILL and reap everything below the spawner; what outlives it, by pid."""
        for instance in self.instances.values():
            with contextlib.suppress(OSError):
                if instance.group:
                    instance.group.kill()
        deadline = time.monotonic() + _DEATH_S
        while True:
            table = processes()
            myself = os.getpid()
            # helpers end by themselves, and counting them would tell nothing
            roots = [pid for pid, (_, parent, _) in table.items() if parent == myself]
            left = _living(table, roots)
            _kill(left)
            self.reap()
            if not left or time.monotonic() > deadline:
                return left
            time.sleep(_LOOK_S)

    def _container(self, instance: Instance) -> Instance | None:
        return self.instances.get(instance.name.partition("/")[0])


def processes() -> dict[int, tuple[str, int, int]]:
    """State, parent and session of every process, by pid (proc_pid_stat(5))."""
    table = {}
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            with open(f"/proc/{name}/stat", "rb", buffering=0) as file:
                fields = file.read(1024).rpartition(b")")[2].split()
        except OSError:
            continue
        if len(fields) > 3:  # noqa: PLR2004  # state, parent, group, session
            table[int(name)] = (fields[0].decode(), int(fields[1]), int(fields[3]))
    return table


def _living(table: dict[int, tuple[str, int, int]], roots: list[int]) -> list[int]:
    """The roots and all below them, without those that are dead and merely not reaped."""
    children: dict[int, list[int]] = {}
    for pid, (_, parent, _) in table.items():
        children.setdefault(parent, []).append(pid)
    found = list(roots)
    for pid in found:
        found += children.get(pid, ())
    return [pid for pid in found if table[pid][0] not in "ZX"]


def _in_our_pid_namespace(pid: int) -> bool:
    try:
        return os.readlink(f"/proc/{pid}/ns/pid") == os.readlink("/proc/self/ns/pid")
    except OSError:
        return False


def _kill(pids: list[int]) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _await_death(instances: list[Instance], seconds: float) -> None:
    poll = select.poll()
    for instance in instances:
        poll.register(instance.pidfd, select.POLLIN)
    poll.poll(seconds * 1000)
