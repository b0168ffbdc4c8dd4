"""The place on cgroup v2 where an engine's groups stand: below what is delegated to us.

In the order in which they are looked for:

- the unit of systemd that we run in, where it was delegated (Delegate=);
- where systemd manages the hierarchy, a scope of our own that it is asked for;
- in a container without systemd, the container's own group;
- our own group where it can hand controllers on, else the nearest above that does.

A group that holds processes hands no controllers on (the "no internal processes" rule). In what is
delegated, in a scope of our own and in a container of our own, these are moved into a group beside
the engines'; elsewhere they are let be.
"""

from __future__ import annotations

import errno
import os
from typing import NamedTuple

from runtime.cgroups import files, systemd
from runtime.cgroups.layout import V2_ALWAYS

#: The group for the processes of a home; systemd's own example of one (DelegateSubgroup=).
SUPERVISOR = "supervisor"
_NEEDED = frozenset(V2_ALWAYS)
# what the kernel's first namespaces are called (include/linux/proc_ns.h)
_FIRST_PIDS, _FIRST_CGROUPS = "pid:[4026531836]", "cgroup:[4026531835]"
_ROUNDS = 100
#: For scopes systemd has a limit of its own (DefaultTasksMax=).
_NO_LIMIT: tuple[systemd.Property, ...] = (("TasksMax", "t", (systemd.UNLIMITED,)),)


class Found(NamedTuple):
    """A home that was found; nothing was changed.

    Attributes:
        path: its directory; "" where systemd has to be asked for one.
        moves: whether the processes in it may be moved into a group below it.
    """

    path: str
    moves: bool = False


class Home:
    """A home that was taken.

    Args:
        path: its directory.
        hands_on: whether its controllers are ours to hand on.
        scope: the directory of the scope that was started for it, else "".
        holder: the scope, where it has a process of its own.
    """

    def __init__(
        self,
        path: str,
        *,
        hands_on: bool,
        scope: str = "",
        holder: systemd.Scope | None = None,
    ) -> None:
        self.path = path
        self.hands_on = hands_on
        self.scope = scope
        self._holder = holder

    def close(self) -> None:
        """End a scope that was started with a process of its own.

        Raises:
            CgroupOSError: it does not end.
        """
        if self._holder:
            self._holder.close()
            self._holder = None
            systemd.await_end(self.scope)


def find(own: str, root: str) -> Found:
    """Find the home of a process; changes nothing.

    Args:
        own: its group.
        root: mount point of the hierarchy.
    """
    unit = _unit(own, root)
    if unit and systemd.is_delegated(unit) and os.access(f"{unit}/cgroup.procs", os.W_OK):
        return Found(unit, moves=True)
    if systemd.manages():
        return Found("")
    container = _container(root)
    if container and f"{own}/".startswith(f"{container}/"):
        return Found(container, moves=True)
    return Found(_place(own, above=_may_climb()))


def claim(engine: str, own: str, root: str, pid: int | None = None) -> Home:
    """Take a home for an engine's groups, and have it hand controllers on.

    Args:
        engine: its name.
        own: group of this process.
        root: mount point of the hierarchy.
        pid: of a process to hold the scope where one has to be started; where it is None, there is
            one more process, until the home is closed.

    Raises:
        CgroupOSError: systemd refuses, or somebody else's processes are in the way.
    """
    found = find(own, root)
    if found.path:
        if found.moves:
            _make_room(found.path)
        return Home(found.path, hands_on=found.moves or found.path == own)
    unit, told = f"{engine}.scope", f"Containers of {engine}"
    holder = systemd.Scope(unit, told, properties=_NO_LIMIT) if pid is None else None
    group = (
        holder.group if holder else systemd.start_scope(unit, pid or 0, told, properties=_NO_LIMIT)
    )
    home = Home(root + group, hands_on=True, scope=root + group, holder=holder)
    try:
        _make_room(home.path)
    except BaseException:
        home.close()
        raise
    return home


def _unit(own: str, root: str) -> str:
    """The innermost unit of systemd that a group belongs to; "" for none."""
    folder = own
    while folder.startswith(f"{root}/"):
        name = os.path.basename(folder)
        # a user's manager is itself delegated what its units stand in
        if name.endswith(systemd.SUFFIXES):
            return "" if name.startswith("user@") else folder
        folder = os.path.dirname(folder)
    return ""


def _container(root: str) -> str:
    """The group of the container that we are in, where all in it is this container's; else "".

    That is the group of the first process of our pid namespace, below which no process of another
    one stands: those are 0 in cgroup.procs. The kernel's own first pid namespace is no container's.
    """
    try:
        if os.readlink("/proc/self/ns/pid") == _FIRST_PIDS:
            return ""
        lines = files.read("/proc/1/cgroup").splitlines()
        path = next((line[3:] for line in lines if line.startswith("0::")), "/..")
        folder = (root + path).rstrip("/")
        if "/.." in path or not os.path.exists(f"{folder}/cgroup.type"):
            return ""  # above what we see, or the root of the hierarchy, which hands on as it is
        if os.path.basename(folder) == SUPERVISOR:
            folder = os.path.dirname(folder)  # moved there by an engine before
        return "" if 0 in files.pids(folder) else folder
    except OSError:
        return ""


def _may_climb() -> bool:
    """Whether groups above our own are this host's, or this container's, and not its host's."""
    try:
        return (
            os.readlink("/proc/self/ns/pid") == _FIRST_PIDS
            or os.readlink("/proc/self/ns/cgroup") != _FIRST_CGROUPS
        )
    except OSError:
        return True


def _place(own: str, *, above: bool) -> str:
    """Our own group, or the nearest above it whose children already get the controllers."""
    if not holds_processes(own) and words(own, "cgroup.controllers") >= _NEEDED:
        return own
    folder = own
    while above and os.path.exists(f"{folder}/cgroup.subtree_control"):
        if words(folder, "cgroup.subtree_control") >= _NEEDED:
            return folder if os.access(folder, os.W_OK) else own
        folder = os.path.dirname(folder)
    return own


def _make_room(folder: str) -> None:
    """Move the processes of a group into one below it."""
    if not files.own_pids(folder):
        return
    inner = f"{folder}/{SUPERVISOR}"
    try:
        files.make(inner)
    except files.CgroupOSError as error:
        if error.errno != errno.EEXIST:
            raise
    for _ in range(_ROUNDS):  # what forks meanwhile
        found = files.own_pids(folder)
        if not found:
            return
        if 0 in found:
            raise files.refusal(
                f"{folder} holds processes of another pid namespace, so it cannot hand controllers "
                "on; start tare in a group of its own",
                errno.EBUSY,
            )
        for pid in found:
            files.attach(inner, pid)
    raise files.refusal(f"{folder} is never free of processes", errno.EBUSY)


def holds_processes(folder: str) -> bool:
    """Whether processes keep it from handing controllers on; never so for the root."""
    if not os.path.exists(f"{folder}/cgroup.type"):  # the root has none
        return False
    return bool(files.read(f"{folder}/cgroup.procs"))


def words(folder: str, name: str) -> set[str]:
    """The words in a file of a group; none where it is not there."""
    try:
        return set(files.read(f"{folder}/{name}").split())
    except FileNotFoundError:
        return set()
