"""cgroup v2: one group for all controllers (Documentation/admin-guide/cgroup-v2.rst)."""

from __future__ import annotations

import contextlib
import errno
import os
import time
from typing import TYPE_CHECKING, Any

from runtime.cgroups import files
from runtime.cgroups.layout import V2_CONTROLLERS
from runtime.cgroups.v1 import PERIOD_US

if TYPE_CHECKING:
    from collections.abc import Mapping

_PAUSE_S = 0.001
_NEEDED = ("memory", "cpu", "pids")


class UnifiedGroup:
    """One container's group.

    Attributes:
        paths: {"unified": directory}.
    """

    def __init__(self, path: str) -> None:
        self.paths = {"unified": path}
        self._path = path
        self._fd = -1

    def into_fd(self) -> int:
        """Descriptor for CLONE_INTO_CGROUP: the process is born inside, no move, no wait."""
        if self._fd < 0:
            self._fd = os.open(self._path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        return self._fd

    def limit(self, resources: Mapping[str, Any]) -> None:
        """Write the limits that are not None.

        Raises:
            CgroupOSError: naming the file; ENODEV where the controller is missing.
        """
        memory = resources.get("memory_limit_bytes")
        if memory is not None:
            self._write("memory.max", memory)
        swap = resources.get("memory_swap_bytes")
        if swap is not None:
            self._write("memory.swap.max", swap)
        cpus = resources.get("cpus")
        if cpus is not None:
            self._write("cpu.max", f"{max(1000, round(cpus * PERIOD_US))} {PERIOD_US}")
        weight = resources.get("cpu_weight")
        if weight is not None:
            self._write("cpu.weight", weight)
        pids = resources.get("pids_limit")
        if pids is not None:
            self._write("pids.max", pids)
        cpuset = resources.get("cpuset")
        if cpuset is not None:
            self._write("cpuset.cpus", cpuset)

    def attach(self, pid: int) -> None:
        """Move a process in; needed only for what was not born inside."""
        files.write(f"{self._path}/cgroup.procs", str(pid))

    def kill(self) -> None:
        """SIGKILL all at once where the kernel can (5.14), else again and again until empty."""
        try:
            files.write(f"{self._path}/cgroup.kill", "1")
        except files.CgroupOSError as error:
            if error.errno != errno.ENOENT:
                raise
            for _ in range(100):
                found = files.pids(self._path)
                if not found:
                    break
                for pid in found:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, 9)
                time.sleep(_PAUSE_S)

    def remove(self) -> None:
        """Remove the group; EBUSY is retried."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
        files.remove(self._path)

    def _write(self, name: str, value: object) -> None:
        if not os.path.exists(f"{self._path}/{name}"):
            controller = name.split(".", maxsplit=1)[0]
            raise files.CgroupOSError(
                errno.ENODEV,
                f"the cgroup controller {controller!r} is not delegated to {self._path}; "
                f"start tare in a delegated group (systemd-run --scope -p Delegate=yes)",
            )
        files.write(f"{self._path}/{name}", str(value))


class UnifiedManager:
    """The groups of one engine, in one group of its own.

    Attributes:
        paths: {"unified": the engine's directory}.
    """

    def __init__(self, engine: str, own: str) -> None:
        path = f"{place(own)}/{engine}"
        files.make(path)
        self.paths = {"unified": path}
        self.herald_group = ""
        enable(path)

    def create(self, name: str) -> UnifiedGroup:
        """Make one container's group."""
        path = f"{self.paths['unified']}/{name}"
        files.make(path)
        return UnifiedGroup(path)

    def close(self) -> None:
        """Remove the engine's group and all below it."""
        files.remove(self.paths["unified"])


def place(own: str) -> str:
    """Choose the group to make the engine's group in.

    That is the own group where it can hand controllers on. It cannot when it holds processes
    itself (the "no internal processes" rule), as a login session or a service does; then it is
    the nearest group above whose controllers its children already get. Nothing is written there
    but the engine's own directory. Where none has them all it is the own group, and a limit that
    needs a missing controller says so.
    """
    enable(own)
    folder = own
    while os.path.exists(f"{folder}/cgroup.subtree_control"):
        if set(_NEEDED) <= set(files.read(f"{folder}/cgroup.subtree_control").split()):
            return folder if os.access(folder, os.W_OK) else own
        folder = os.path.dirname(folder)
    return own


def enable(folder: str) -> None:
    """Hand the controllers on to the groups below, as many as the kernel allows.

    A group that is not the root and holds processes itself refuses (EBUSY, the "no internal
    processes" rule); what is missing then is named when a limit asks for it.
    """
    control = f"{folder}/cgroup.subtree_control"
    have = files.read(f"{folder}/cgroup.controllers").split()
    on = files.read(control).split()
    for name in V2_CONTROLLERS:
        if name in have and name not in on:
            with contextlib.suppress(files.CgroupOSError):
                files.write(control, f"+{name}")
