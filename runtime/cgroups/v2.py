"""cgroup v2: one group for all controllers (Documentation/admin-guide/cgroup-v2.rst)."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import time
from typing import TYPE_CHECKING, Any

from runtime.cgroups import files, limits
from runtime.cgroups.home import holds_processes, words
from runtime.cgroups.layout import V2_ALWAYS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from runtime.cgroups.home import Home

_PAUSE_S = 0.001
#: As long as `kill` of v1 keeps trying. Who has not stopped by then hangs in the kernel.
_FREEZE_S = 2.0
_NEEDED = frozenset(V2_ALWAYS)


class UnifiedGroup:
    """One container's group.

    Args:
        path: its directory.
        above: groups from the top down whose controllers may be handed on to it.
        controllers: what it is known to have; None to look when that matters.
        made: directories that `remove` removes; the group alone where None.
        fresh: whether it was just made: no limit was written and no process is in it yet.

    Attributes:
        paths: {"unified": directory}.
        made: likewise, parents first; as text, so that they can be stored.
        spare: empty; v1 names groups here that are made when a limit asks for them.
    """

    def __init__(
        self,
        path: str,
        *,
        above: Sequence[str] = (),
        controllers: set[str] | None = None,
        made: Iterable[str] | None = None,
        fresh: bool = False,
    ) -> None:
        self.paths = {"unified": path}
        self.made = [path] if made is None else list(made)
        self.spare: dict[str, str] = {}
        self.path = path
        self.fresh = fresh
        self._above = above
        self._controllers = controllers
        self._fd = -1

    def into_fd(self) -> int:
        """Descriptor for CLONE_INTO_CGROUP: the process is born inside, no move, no wait."""
        self.fresh = False
        if self._fd < 0:
            self._fd = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        return self._fd

    def limit(self, resources: Mapping[str, Any]) -> None:
        """Write the limits that are given, to a new group or to one in use.

        Raises:
            CgroupOSError: naming the file; ENODEV where this host has no such limit.
        """
        usual = limits.usual(resources) if self.fresh else None
        if usual and self._controllers and self._controllers >= _NEEDED:
            self._limit_as_usual(*usual)
        else:
            from runtime.cgroups import unified_limits  # most engines never need it

            unified_limits.write(self, limits.wanted(resources))
        self.fresh = False

    def _limit_as_usual(self, memory: int | None, quota: int | None, pids: int | None) -> None:
        if memory is not None:
            files.put(self.path, "memory.max", limits.or_max(memory))
        if quota is not None:
            files.put(self.path, "cpu.max", quota)
        if pids is not None:
            files.put(self.path, "pids.max", limits.or_max(pids))

    def need(self, controller: str) -> None:
        """Have the groups above hand a controller on, where they do not yet.

        Raises:
            CgroupOSError: ENODEV, none of them has it or may.
        """
        if self._controllers is None:
            self._controllers = words(self.path, "cgroup.controllers")
        if controller in self._controllers or controller == "cgroup":
            return
        for folder in self._above:
            enable(folder, (controller,))
        if controller not in words(self.path, "cgroup.controllers"):
            raise files.refusal(
                f"the cgroup controller {controller!r} is not delegated to {self.path}; have the "
                "groups above it hand it on (cgroup.subtree_control)"
            )
        self._controllers.add(controller)

    def attach(self, pid: int) -> None:
        """Move a process in; needed only for what was not born inside. One that ended is let be."""
        self.fresh = False
        files.attach(self.path, pid)

    def freeze(self) -> None:
        """Stop everything in it, as it is.

        Raises:
            CgroupOSError: ETIMEDOUT, something does not stop; all of it goes on again.
        """
        files.put(self.path, "cgroup.freeze", "1", "freezing needs Linux 5.2 or later")
        deadline = time.monotonic() + _FREEZE_S
        while not self.frozen():
            if time.monotonic() > deadline:
                self.thaw()
                raise files.refusal(
                    f"freeze {self.path}: a process in it does not stop; see its stack",
                    errno.ETIMEDOUT,
                )
            time.sleep(_PAUSE_S)

    def thaw(self) -> None:
        """Let it go on."""
        files.put(self.path, "cgroup.freeze", "0")

    def frozen(self) -> bool:
        """Whether everything in it stands still."""
        return "frozen 1" in files.read(f"{self.path}/cgroup.events")

    def kill(self) -> None:
        """SIGKILL all at once where the kernel can (5.14), else again and again until empty.

        What is frozen dies as well.
        """
        try:
            files.write(f"{self.path}/cgroup.kill", "1")
        except files.CgroupOSError as error:
            if error.errno != errno.ENOENT:
                raise
            for _ in range(100):
                found = files.pids(self.path)
                if not found:
                    break
                for pid in found:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
                time.sleep(_PAUSE_S)

    def remove(self) -> None:
        """Remove the group and what was made for it above; EBUSY is retried."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
        files.remove_made(self.made, self.paths.values())


class UnifiedManager:
    """The groups of one engine, in one group of its own.

    Args:
        engine: its name.
        home: where that group is to stand; closed along with this.

    Attributes:
        paths: {"unified": the engine's directory}.
    """

    def __init__(self, engine: str, home: Home) -> None:
        self._home = home
        path = f"{home.path}/{engine}"
        try:
            files.make(path)
        except BaseException:
            home.close()
            raise
        self.paths = {"unified": path}
        self.early_migration_group = ""
        self._above = [home.path, path] if home.hands_on else [path]
        for folder in self._above:
            enable(folder)
        self._controllers = words(path, "cgroup.subtree_control")

    def create(self, name: str) -> UnifiedGroup:
        """Make one container's group."""
        path = f"{self.paths['unified']}/{name}"
        files.make(path)
        return UnifiedGroup(path, above=self._above, controllers=self._controllers, fresh=True)

    def close(self) -> None:
        """Remove the engine's group and all below it, and give back what was taken for it."""
        files.remove(self.paths["unified"])
        self._home.close()


def enable(folder: str, controllers: Iterable[str] = V2_ALWAYS) -> None:
    """Hand controllers on to the groups below, as many as the kernel allows.

    A group that is not the root and holds processes is let be: it refuses memory and io (EBUSY),
    but takes cpu, cpuset and pids, and by that turns into the root of a threaded subtree, below
    which no ordinary group can have processes any more. What is missing then is named when a
    limit asks for it.
    """
    missing = set(controllers) & words(folder, "cgroup.controllers")
    missing -= words(folder, "cgroup.subtree_control")
    if not missing or holds_processes(folder):
        return
    control = f"{folder}/cgroup.subtree_control"
    try:
        files.write(control, " ".join(f"+{name}" for name in sorted(missing)))
    except files.CgroupOSError as error:
        if error.errno in (errno.EBUSY, errno.EOPNOTSUPP):
            return
        for name in sorted(missing):  # all or none: one that cannot be has spoilt the others
            with contextlib.suppress(files.CgroupOSError):
                files.write(control, f"+{name}")
