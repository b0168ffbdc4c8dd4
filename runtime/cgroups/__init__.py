"""Control groups: v1 and v2 as siblings behind one small interface.

Every group stands below one group per engine: on v1 in the own group of the process that started
the engine, on v2 in what is delegated to it (see `home`). Nothing above is written, and whatever a
crash leaves behind is found under one name. Imported by the spawner, so limits travel as a plain
mapping with the names of `runtime.spec.Resources`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from runtime.cgroups import home, layout, v1, v2

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Mapping

    from runtime.cgroups.home import Home


class Group(Protocol):
    """The group of one container.

    Attributes:
        paths: controller ("unified" on v2) to directory.
        spare: controller of v1 to the directory that is made when a limit asks for it.
        made: directories that `remove` removes, parents first.
    """

    paths: dict[str, str]
    spare: dict[str, str]
    made: list[str]

    def into_fd(self) -> int:
        """Descriptor for CLONE_INTO_CGROUP, or -1 where processes have to be moved in."""
        ...

    def limit(self, resources: Mapping[str, Any]) -> None:
        """Write the limits that are given; also while it is in use. May add to `paths`."""
        ...

    def attach(self, pid: int) -> None:
        """Move a process in; one that has ended is let be."""
        ...

    def freeze(self) -> None:
        """Stop everything in it, as it is."""
        ...

    def thaw(self) -> None:
        """Let it go on."""
        ...

    def frozen(self) -> bool:
        """Whether everything in it stands still."""
        ...

    def kill(self) -> None:
        """SIGKILL everything in it, frozen or not, also what forks meanwhile."""
        ...

    def remove(self) -> None:
        """Remove it; it must be empty or about to be."""
        ...


class Manager(Protocol):
    """The groups of one engine.

    Attributes:
        paths: controller ("unified" on v2) to the engine's directory.
        early_migration_group: for the helper that starts the wait for migrations early; "" where
            none are needed.
    """

    paths: dict[str, str]
    early_migration_group: str

    def create(self, name: str) -> Group:
        """Make the group of one container."""
        ...

    def close(self) -> None:
        """Remove the engine's group and all below it."""
        ...


def claim(engine: str, where: layout.Layout, pid: int | None = None) -> Home | None:
    """Take the home of an engine's groups on v2; see `home.claim`. None on v1."""
    return home.claim(engine, where.v2, where.roots["unified"], pid) if where.v2 else None


def manager(engine: str, where: layout.Layout, taken: Home | None = None) -> Manager | None:
    """The manager that fits the layout; None where no controller can be used.

    Args:
        engine: its name.
        where: the layout of this process.
        taken: what `claim` gave for it; claimed here where it is None.

    Raises:
        CgroupOSError: the kernel or systemd refuses.
    """
    taken = taken or claim(engine, where)
    if taken:
        return v2.UnifiedManager(engine, taken)
    if where.v1:
        return v1.LegacyManager(engine, where.v1)
    return None


def at(path: str, controllers: Iterable[str] = (), where: layout.Layout | None = None) -> Group:
    """Make a group at a place of the caller's (OCI's `cgroupsPath`); see `places.at`."""
    from runtime.cgroups import places  # the spawner has no use for it

    return places.at(path, controllers, where)


def missing(path: str, where: layout.Layout | None = None) -> list[str]:
    """What `at` would have to make at most; see `places.missing`."""
    from runtime.cgroups import places  # likewise

    return places.missing(path, where)


def open_at(
    paths: Mapping[str, str],
    *,
    made: Iterable[str] | None = None,
    spare: Mapping[str, str] | None = None,
) -> Group:
    """Take up again a group that another process made; see `places.open_at`."""
    from runtime.cgroups import places  # likewise

    return places.open_at(paths, made=made, spare=spare)


def homes() -> list[str]:
    """The groups in which the groups of engines stand, for this process; changes nothing.

    There is none yet where systemd is asked for a scope.
    """
    where = layout.current()
    if not where.v2:
        return list(dict.fromkeys(where.v1.values()))
    found = home.find(where.v2, where.roots["unified"]).path
    return [found] if found else []


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
