"""cgroup v1: one group per controller (Documentation/admin-guide/cgroup-v1)."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from typing import TYPE_CHECKING, Any

from runtime.cgroups import files

if TYPE_CHECKING:
    from collections.abc import Mapping

PERIOD_US = 100_000
_SHARES_PER_WEIGHT = 1024 / 100
_KILL_S = 2.0
_FREEZE_S = 0.5
_PAUSE_S = 0.001


class LegacyGroup:
    """One container's groups.

    Attributes:
        paths: controller to directory.
    """

    def __init__(self, paths: dict[str, str]) -> None:
        self.paths = paths

    def into_fd(self) -> int:
        """CLONE_INTO_CGROUP knows v2 only."""
        return -1

    def limit(self, resources: Mapping[str, Any]) -> None:
        """Write the limits that are not None.

        Raises:
            CgroupOSError: naming the file; ENODEV where the controller is missing.
        """
        memory = resources.get("memory_limit_bytes")
        if memory is not None:
            self._write("memory", "memory.limit_in_bytes", memory)
        swap = resources.get("memory_swap_bytes")
        if swap is not None:
            self._write("memory", "memory.memsw.limit_in_bytes", (memory or 0) + swap)
        cpus = resources.get("cpus")
        if cpus is not None:
            self._write("cpu", "cpu.cfs_quota_us", max(1000, round(cpus * PERIOD_US)))
        weight = resources.get("cpu_weight")
        if weight is not None:
            self._write("cpu", "cpu.shares", max(2, round(weight * _SHARES_PER_WEIGHT)))
        pids = resources.get("pids_limit")
        if pids is not None:
            self._write("pids", "pids.max", pids)
        cpuset = resources.get("cpuset")
        if cpuset is not None:
            self._write("cpuset", "cpuset.cpus", cpuset)

    def attach(self, pid: int) -> None:
        """Move a process into every group.

        The first move waits for an RCU grace period (6 to 29 ms): the kernel has to make the
        readers of cgroup_threadgroup_rwsem notice the writer. Moves right after it are cheap.
        """
        for folder in self.paths.values():
            files.write(f"{folder}/cgroup.procs", str(pid))

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
                for pid in files.pids(folder):
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
            finally:
                if freezer:
                    with contextlib.suppress(OSError):
                        files.write(f"{freezer}/freezer.state", "THAWED")
            if time.monotonic() > deadline:
                return
            time.sleep(_PAUSE_S)

    def remove(self) -> None:
        """Remove the groups; EBUSY is retried."""
        for folder in self.paths.values():
            files.remove(folder)

    def _write(self, controller: str, name: str, value: object) -> None:
        folder = self.paths.get(controller)
        if folder is None:
            raise files.CgroupOSError(
                19, f"this host has no cgroup controller {controller!r} to limit with"
            )
        files.write(f"{folder}/{name}", str(value))


class LegacyManager:
    """The groups of one engine, below the own group in each controller.

    Attributes:
        paths: controller to the engine's directory.
    """

    def __init__(self, engine: str, own: dict[str, str]) -> None:
        self.paths: dict[str, str] = {}
        for controller, folder in own.items():
            path = f"{folder}/{engine}"
            files.make(path)
            self.paths[controller] = path
            if controller == "cpuset":
                _inherit_cpuset(folder, path)
        self.herald_group = next(iter(self.paths.values()))

    def create(self, name: str) -> LegacyGroup:
        """Make one container's groups; on failure none is left."""
        made: dict[str, str] = {}
        try:
            for controller, folder in self.paths.items():
                path = f"{folder}/{name}"
                files.make(path)
                made[controller] = path
                if controller == "cpuset":
                    _inherit_cpuset(folder, path)
        except OSError:
            LegacyGroup(made).remove()
            raise
        return LegacyGroup(made)

    def close(self) -> None:
        """Remove the engine's groups and all below them.

        Raises:
            CgroupOSError: one is still busy; the others are removed.
        """
        failure: OSError | None = None
        for folder in self.paths.values():
            try:
                files.remove(folder)
            except OSError as error:
                failure = error
        if failure:
            raise failure


def _await_frozen(freezer: str) -> None:
    deadline = time.monotonic() + _FREEZE_S
    while files.read(f"{freezer}/freezer.state") != "FROZEN" and time.monotonic() < deadline:
        time.sleep(_PAUSE_S)


def _inherit_cpuset(above: str, path: str) -> None:
    """A new cpuset is empty and takes no process until it has CPUs and memory nodes."""
    for name in ("cpuset.cpus", "cpuset.mems"):
        files.write(f"{path}/{name}", files.read(f"{above}/{name}"))
