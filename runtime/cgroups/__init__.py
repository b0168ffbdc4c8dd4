"""Control groups: v1 and v2 as siblings behind one small interface.

Every group stands below one group per engine, which stands in the own group of the process that
started the engine (on v2, where that one can hand no controllers on, in the nearest that does):
nothing above is written, and whatever a crash leaves behind is found under one name. Imported by
the spawner, so limits travel as a plain mapping with the names of `runtime.spec.Resources`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from runtime.cgroups import layout, v1, v2

if TYPE_CHECKING:
    from collections.abc import Container, Mapping


class Group(Protocol):
    """The group of one container."""

    paths: dict[str, str]

    def into_fd(self) -> int:
        """Descriptor for CLONE_INTO_CGROUP, or -1 where processes have to be moved in."""
        ...

    def limit(self, resources: Mapping[str, Any]) -> None:
        """Write the limits that are not None."""
        ...

    def attach(self, pid: int) -> None:
        """Move a process in."""
        ...

    def kill(self) -> None:
        """SIGKILL everything in it, also what forks meanwhile."""
        ...

    def remove(self) -> None:
        """Remove it; it must be empty or about to be."""
        ...


class Manager(Protocol):
    """The groups of one engine."""

    paths: dict[str, str]
    #: A group for a helper that starts the wait of moves early; "" where moves are not needed.
    herald_group: str

    def create(self, name: str) -> Group:
        """Make the group of one container."""
        ...

    def close(self) -> None:
        """Remove the engine's group and all below it."""
        ...


def manager(engine: str, where: layout.Layout) -> Manager | None:
    """The manager that fits the layout; None where no controller can be used."""
    if where.v2:
        return v2.UnifiedManager(engine, where.v2)
    if where.v1:
        return v1.LegacyManager(engine, where.v1)
    return None


def homes() -> list[str]:
    """The groups in which the groups of engines stand, for this process."""
    where = layout.current()
    return [v2.place(where.v2)] if where.v2 else list(where.v1.values())


def losses(groups: Container[str]) -> list[str]:
    """Sentences for what containers do without where an engine has only these groups.

    Args:
        groups: the names of `Manager.paths`.
    """
    if "unified" in groups:
        return []
    wanted = {
        "freezer": "containers are killed process by process",
        "cpuacct": "the CPU time of containers is not known",
        "memory": "the memory of containers is neither limited nor known",
        "cpu": "the CPU time of containers cannot be limited",
        "pids": "the number of their processes cannot be limited",
    }
    return [
        f"this host gives no cgroup controller {name!r}: {loss}"
        for name, loss in wanted.items()
        if name not in groups
    ]
