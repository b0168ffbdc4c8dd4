"""cgroup v1: one group per controller (Documentation/admin-guide/cgroup-v1)."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import time
from typing import TYPE_CHECKING, Any

from runtime.cgroups import files, limits
from runtime.cgroups.layout import V1_ON_DEMAND
from runtime.cgroups.limits import PERIOD_US as PERIOD_US  # noqa: PLC0414  # others look here

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_KILL_S = 2.0
_FREEZE_S = 0.5
_PAUSE_S = 0.001
_MOVES = 100
_NEEDED = frozenset(("memory", "cpu", "pids"))


class LegacyGroup:
    """One container's groups.

    Args:
        paths: controller to directory; some may share one (cpu and cpuacct often do).
        spare: controller to the directory that is made when a limit asks for it.
        made: directories that `remove` removes; all of `paths` where None.
        fresh: whether they were just made: no limit was written and no process moved in yet.

    Attributes:
        paths, spare: likewise.
        made: likewise, parents first; as text, so that they can be stored.
    """

    def __init__(
        self,
        paths: dict[str, str],
        *,
        spare: Mapping[str, str] | None = None,
        made: Iterable[str] | None = None,
        fresh: bool = False,
    ) -> None:
        self.paths = paths
        self.spare = dict(spare or {})
        self.made = list(dict.fromkeys(paths.values()) if made is None else made)
        self.fresh = fresh

    def into_fd(self) -> int:
        """CLONE_INTO_CGROUP knows v2 only."""
        return -1

    def limit(self, resources: Mapping[str, Any]) -> None:
        """Write the limits that are given, to new groups or to such in use.

        Raises:
            CgroupOSError: naming the file; ENODEV where this host has no such limit.
        """
        usual = limits.usual(resources) if self.fresh else None
        if usual and self.paths.keys() >= _NEEDED:
            self._limit_as_usual(*usual)
        else:
            from runtime.cgroups import legacy_limits  # most engines never need it

            legacy_limits.write(self, limits.wanted(resources))
        self.fresh = False

    def _limit_as_usual(self, memory: int | None, quota: int | None, pids: int | None) -> None:
        if memory is not None:
            files.put(self.paths["memory"], "memory.limit_in_bytes", memory)
        if quota is not None:
            files.put(self.paths["cpu"], "cpu.cfs_quota_us", quota)
        if pids is not None:
            files.put(self.paths["pids"], "pids.max", limits.or_max(pids))

    def folder(self, controller: str) -> str:
        """The group of this controller; one on demand is made and joined by all processes.

        Raises:
            CgroupOSError: ENODEV, this host has none.
        """
        found = self.paths.get(controller)
        if found is not None:
            return found
        path = self.spare.get(controller)
        if path is None:
            raise files.refusal(f"this host has no cgroup controller {controller!r} to limit with")
        make_all(path, self.made, cpuset=self.spare.get("cpuset") == path)
        if not self.fresh:
            self._follow(path)
        del self.spare[controller]
        self.paths[controller] = path
        return path

    def _follow(self, path: str) -> None:
        """Move every process into a further group.

        A child is born into its parent's, so only what was not moved yet makes others to move. The
        main thread of a process may be dead while others live: it is listed, and never moves.
        """
        elsewhere = next(iter(self.paths.values()))
        moved: set[int] = set()
        for _ in range(_MOVES):
            left = set(files.pids(elsewhere)) - set(files.pids(path)) - moved
            if not left:
                return
            for pid in left:
                files.attach(path, pid)
            moved |= left
        raise files.refusal(f"{path}: processes are made faster than moved in", errno.EBUSY)

    def attach(self, pid: int) -> None:
        """Move a process into every group; one that has ended is let be.

        The first move waits for an RCU grace period (6 to 29 ms): the kernel has to make the
        readers of cgroup_threadgroup_rwsem notice the writer. Moves right after it are cheap.
        """
        self.fresh = False
        for folder in dict.fromkeys(self.paths.values()):
            files.attach(folder, pid)

    def freeze(self) -> None:
        """Stop everything in it, as it is. Until it is thawed, signals wait, SIGKILL too.

        Raises:
            CgroupOSError: ENODEV without a freezer; ETIMEDOUT, something does not stop, and all
                of it goes on again.
        """
        freezer = self.folder("freezer")
        deadline = time.monotonic() + _KILL_S
        while True:
            # asked again, for what was born meanwhile (freezer-subsystem.rst)
            files.write(f"{freezer}/freezer.state", "FROZEN")
            _await_frozen(freezer)
            if self.frozen():
                return
            if time.monotonic() > deadline:
                self.thaw()
                raise files.refusal(
                    f"freeze {freezer}: a process in it does not stop; see its stack",
                    errno.ETIMEDOUT,
                )

    def thaw(self) -> None:
        """Let it go on."""
        files.write(f"{self.folder('freezer')}/freezer.state", "THAWED")

    def frozen(self) -> bool:
        """Whether everything in it stands still; never so without a freezer."""
        freezer = self.paths.get("freezer")
        return freezer is not None and files.read(f"{freezer}/freezer.state") == "FROZEN"

    def kill(self) -> None:
        """Freeze, kill all, thaw, until nothing is left: nothing forks its way out in between.

        Freezing takes its time (freezer-subsystem.rst: FREEZING until every task has stopped), and
        a process that is being made joins the group meanwhile. Whoever hangs in the kernel never
        stops, so all waits are bounded; what outlives them shows when it is awaited.
        """
        freezer = self.paths.get("freezer")
        folder = freezer or next(iter(self.paths.values()))
        deadline = time.monotonic() + _KILL_S
        while files.pids(folder):
            if freezer:
                with contextlib.suppress(OSError):
                    files.write(f"{freezer}/freezer.state", "FROZEN")
                    _await_frozen(freezer)
            try:
                files.signal_each(folder, signal.SIGKILL)
            finally:
                if freezer:
                    files.thaw(freezer)
            if time.monotonic() > deadline:
                return
            time.sleep(_PAUSE_S)

    def remove(self) -> None:
        """Remove the groups and what was made for them above; EBUSY is retried."""
        files.remove_made(self.made, self.paths.values())


class LegacyManager:
    """The groups of one engine, below the own group in each controller.

    The engine has a group in every controller from the start, also in those that containers get
    one in only on demand: so all of them are known, and found after a crash.

    Attributes:
        paths: controller to the engine's directory.
    """

    def __init__(self, engine: str, own: dict[str, str]) -> None:
        self.paths: dict[str, str] = {}
        made: list[str] = []
        try:
            for controller, folder in own.items():
                path = f"{folder}/{engine}"
                if path not in made:
                    try:
                        make_all(path, made, cpuset=own.get("cpuset") == folder)
                    except files.CgroupOSError as error:
                        if controller in V1_ON_DEMAND and error.errno in _NOT_OURS:
                            continue  # a limit that needs it will say so
                        raise
                self.paths[controller] = path
        except OSError:
            files.remove_made(made, ())
            raise
        self.early_migration_group = next(iter(self.paths.values()))
        always = {c: p for c, p in self.paths.items() if c not in V1_ON_DEMAND}
        # on demand, but mounted together with one that is not
        always |= {c: p for c, p in self.paths.items() if p in always.values()}
        self._always = always or dict(self.paths)
        self._spare = {c: p for c, p in self.paths.items() if c not in self._always}
        self._cpuset = self._always.get("cpuset")

    def create(self, name: str) -> LegacyGroup:
        """Make one container's groups; on failure none is left."""
        made: list[str] = []
        try:
            for folder in dict.fromkeys(self._always.values()):
                path = f"{folder}/{name}"
                files.make(path)
                made.append(path)
                if folder == self._cpuset:
                    inherit_cpuset(path)
        except OSError:
            files.remove_made(made, ())
            raise
        return LegacyGroup(
            {controller: f"{folder}/{name}" for controller, folder in self._always.items()},
            spare={controller: f"{folder}/{name}" for controller, folder in self._spare.items()},
            made=made,
            fresh=True,
        )

    def close(self) -> None:
        """Remove the engine's groups and all below them.

        Raises:
            CgroupOSError: one is still busy; the others are removed.
        """
        failure: OSError | None = None
        for folder in dict.fromkeys(self.paths.values()):
            try:
                files.remove(folder)
            except OSError as error:
                failure = error
        if failure:
            raise failure


_CPUSET = ("cpuset.cpus", "cpuset.mems")
_NOT_OURS = (errno.EACCES, errno.EPERM, errno.EROFS)


def make_all(path: str, made: list[str], *, cpuset: bool) -> None:
    """Make one group and those above it that are missing; see `files.make_all`."""
    known = len(made)
    files.make_all(path, made)
    if cpuset:
        for folder in made[known:]:
            inherit_cpuset(folder)
        if len(made) == known:
            for name in _CPUSET:
                _filled(path, name)


def inherit_cpuset(path: str) -> None:
    """A new cpuset is empty and takes no process until it has CPUs and memory nodes.

    Those above it that somebody made and left empty get theirs first, as runc has it.
    """
    for name in _CPUSET:
        files.write(f"{path}/{name}", _filled(os.path.dirname(path), name))


def _filled(path: str, name: str) -> str:
    """What a file of a cpuset holds; an empty one gets what is above it first."""
    value = files.read(f"{path}/{name}")
    if not value:
        value = _filled(os.path.dirname(path), name)
        files.write(f"{path}/{name}", value)
    return value


def _await_frozen(freezer: str) -> None:
    deadline = time.monotonic() + _FREEZE_S
    while files.read(f"{freezer}/freezer.state") != "FROZEN" and time.monotonic() < deadline:
        time.sleep(_PAUSE_S)
