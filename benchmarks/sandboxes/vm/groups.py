"""Control groups for QEMU, made by the same code as a container's, and owned as those are.

Their owner is a record like that of an engine of the runtime: a directory with a random name in the
sandbox's state folder. After a SIGKILL of the harness the guardian kills QEMU, and `runtime.clean`
finds the groups by that name, as it finds those of containers.
"""

import contextlib
import os
import secrets
from pathlib import Path
from types import TracebackType
from typing import Self

import runtime
from benchmarks.sandboxes import limits
from runtime.harness import Group, Manager, cgroups, record, usage


class VmGroups:
    """The groups of one sandbox's VMs. A context manager.

    Attributes:
        name: Random; in the path of every group.
        unavailable: Why there are none, in words; None where there are.
    """

    def __init__(self, state: Path, cpus: int) -> None:
        """Store the arguments; nothing is made yet.

        Args:
            state: Directory of the sandbox.
            cpus: CPUs' worth of time that a VM may use, all of QEMU's threads together.
        """
        self.name = f"tare-{secrets.token_hex(6)}"
        self.unavailable: str | None = None
        self._folder = state / self.name
        self._cpus = cpus
        self._manager: Manager | None = None

    def create(self, name: str) -> Group | None:
        """Make the group of one VM, limited; None where there are none.

        Raises:
            OSError: The kernel refuses.
        """
        if self._manager is None:
            return None
        group = self._manager.create(name)
        try:
            group.limit({"cpus": float(self._cpus), "pids_limit": limits.PIDS_LIMIT})
        except OSError:
            group.remove()
            raise
        return group

    @property
    def paths(self) -> list[Path]:
        """The sandbox's own groups, one a controller."""
        return [] if self._manager is None else [Path(p) for p in self._manager.paths.values()]

    def __enter__(self) -> Self:
        with contextlib.suppress(OSError):  # what resists is for `clean` to name
            runtime.clean(self._folder.parent)
        # The record is written before the groups are made: a record without groups can be cleaned.
        self._folder.mkdir(0o755, parents=True)  # also under a lax umask: `runtime.clean` asks
        record.write(self._folder, os.getpid(), {})
        try:
            self._manager = cgroups.manager(self.name, cgroups.layout.current())
            if self._manager is None:
                self.unavailable = "this host gives no cgroup controller"
            else:
                record.write(self._folder, os.getpid(), self._manager.paths)
                remove(self.create("trial"))
        except OSError as error:
            self.unavailable = error.strerror or str(error)
            self._close_manager()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._close_manager()
        record.remove(self._folder)
        self._folder.rmdir()

    def _close_manager(self) -> None:
        if self._manager is not None:
            self._manager.close()
            self._manager = None


def charged(group: Group | None) -> usage.CgroupMemory | None:
    """Return what the kernel has charged to a VM's group; None where it is unknown."""
    if group is None:
        return None
    return usage.memory({name: Path(path) for name, path in group.paths.items()})


def charged_cpu_s(group: Group | None) -> float | None:
    """Return the CPU time charged to a VM's group, in seconds; None where nothing counts it."""
    if group is None:
        return None
    return usage.group_cpu_s({name: Path(path) for name, path in group.paths.items()})


def remove(group: Group | None) -> None:
    """Remove a VM's group once QEMU has ended; `leftovers` names what could not be removed."""
    if group is not None:
        with contextlib.suppress(OSError):
            group.remove()
