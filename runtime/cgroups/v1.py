"""cgroup v1: one group per controller (Documentation/admin-guide/cgroup-v1)."""

from __future__ import annotations

import contextlib
import os
import signal
from typing import TYPE_CHECKING, Any

from runtime.cgroups import files

if TYPE_CHECKING:
    from collections.abc import Mapping

PERIOD_US = 100_000
_SHARES_PER_WEIGHT = 1024 / 100
_KILL_ROUNDS = 100


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
        """Freeze, kill all, thaw: nothing can fork its way out between the two."""
        freezer = self.paths.get("freezer")
        folder = freezer or next(iter(self.paths.values()))
        with contextlib.suppress(OSError):
            if freezer:
                files.write(f"{freezer}/freezer.state", "FROZEN")
        try:
            for _ in range(1 if freezer else _KILL_ROUNDS):
                found = files.pids(folder)
                if not found:
                    break
                for pid in found:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
        finally:
            with contextlib.suppress(OSError):
                if freezer:
                    files.write(f"{freezer}/freezer.state", "THAWED")

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
        """Remove the engine's groups and all below them."""
        for folder in self.paths.values():
            files.remove(folder)


def _inherit_cpuset(above: str, path: str) -> None:
    """A new cpuset is empty and takes no process until it has CPUs and memory nodes."""
    for name in ("cpuset.cpus", "cpuset.mems"):
        files.write(f"{path}/{name}", files.read(f"{above}/{name}"))
