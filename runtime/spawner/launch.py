"""Making processes: a container's first, and further ones inside it."""

from __future__ import annotations

import errno
import os
import socket
from typing import TYPE_CHECKING, Any

from runtime.cgroups import limits
from runtime.spawner.executor import TIMED, UNDUMPABLE, Executor, Roles
from runtime.spawner.herald import Herald
from runtime.spawner.init import open_init, sealed_copy
from runtime.spawner.instance import Instance
from runtime.spawner.territory import Mapping, Territory

if TYPE_CHECKING:
    from runtime.cgroups import Group, Manager


class Launcher:
    """What all starts of one spawner share.

    Args:
        territory: images, mounted.
        manager: maker of control groups, where the host gives any.
        marker: source name of our mounts; tells ours from others' in /proc/PID/mountinfo.
        program: path of the executor.
    """

    def __init__(
        self, territory: Territory, manager: Manager | None, marker: str, program: str
    ) -> None:
        self.territory = territory
        self.manager = manager
        self._marker = marker
        self._init_fd = open_init()
        copy = sealed_copy(program, "executor")
        path = f"/proc/self/fd/{copy}"
        self._executor = Executor(path)
        group = manager.herald_group if manager else ""
        self._herald = Herald(path, group) if group else None
        os.close(copy)

    def close(self) -> None:
        """End the helper processes."""
        self._executor.close()
        if self._herald:
            self._herald.close()

    @property
    def helpers(self) -> tuple[int, ...]:
        """Processes of the spawner's own that belong to no container."""
        herald = (self._herald.pid,) if self._herald else ()
        return (self._executor.pid, *herald)

    @property
    def has_init(self) -> bool:
        """Whether an init program was found on the host."""
        return self._init_fd >= 0

    def run(self, request: dict[str, Any], fds: list[int], reply: socket.socket) -> Instance:
        """Make a container.

        On cgroup v2 the process is born inside its group. On v1 it has to be moved in, which
        waits for the kernel 6 to 29 ms: the wait is started before the clone, the child mounts
        meanwhile, and only the step before its exec needs the limits.

        Raises:
            OSError: the kernel refused; nothing is left.
        """
        resources = request["resources"]
        _check_limits(resources or {}, self.manager)
        grouped = resources is not None and self.manager is not None
        if grouped and self._herald:
            self._herald.call()
        if request["shared_root"]:
            lower = self.territory.native(request["image"])
        elif request["image"]:
            lower = self.territory.lower(request["image"], Mapping(*request["mapping"]))
        else:
            lower = ""
        group: Group | None = None
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            if grouped and not self._herald:
                group = self._group(request["id"], resources)
            with theirs:
                roles = Roles(
                    control=theirs.fileno(),
                    cgroup=group.into_fd() if group else -1,
                    init=self._init_fd,
                )
                self._ask(request, fds, roles, lower)
            if grouped and self._herald:  # while the process mounts
                try:
                    group = self._group(request["id"], resources)
                finally:
                    made = self._executor.made()
            else:
                made = self._executor.made()
        except OSError:
            ours.close()  # on which a process that was made ends
            if group:
                group.remove()
            raise
        stamps = {"requested": request["requested"], "spawned": made.spawned_ns}
        instance = Instance(
            request["id"],
            made.pid,
            made.pidfd,
            group=group,
            reply=reply,
            control=ours,
            stamps=stamps,
            shares_pids=request["shares_pids"],
            image=request["image"] if request["shared_root"] else "",
            paused=request["paused"],
        )
        try:
            _settle(instance, group)
        except OSError:
            instance.abandon()
            if group:
                group.remove()
            raise
        return instance

    def enter(
        self, request: dict[str, Any], fds: list[int], reply: socket.socket, target: Instance
    ) -> Instance:
        """Make a process inside a running container.

        Raises:
            OSError: the kernel refused.
        """
        lower = self.territory.native(request["image"]) if request["shared_root"] else ""
        group = target.group
        inside = group.into_fd() if group else -1
        if group and inside < 0 and self._herald:
            self._herald.call()
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            with theirs:
                roles = Roles(control=theirs.fileno(), cgroup=inside, target=target.pidfd)
                self._ask(request, fds, roles, lower)
            made = self._executor.made()
        except OSError:
            ours.close()
            raise
        instance = Instance(
            request["id"], made.pid, made.pidfd, group=None, reply=reply, control=ours,
            stamps={"requested": request["requested"], "spawned": made.spawned_ns},
        )  # fmt: skip
        try:
            _settle(instance, group)
        except OSError:
            instance.abandon()
            raise
        return instance

    def _group(self, name: str, resources: dict[str, Any]) -> Group:
        assert self.manager is not None
        group = self.manager.create(name)
        try:
            group.limit(resources)
        except OSError:
            group.remove()
            raise
        return group

    def _ask(self, request: dict[str, Any], fds: list[int], roles: Roles, lower: str) -> None:
        options = TIMED if request["time_steps"] else 0
        # not where the executor has to write an id mapping: /proc/PID/uid_map would belong to the
        # host's root, which a spawner in a user namespace is not
        if not request["maps_ids"]:
            options |= UNDUMPABLE
        self._executor.make(
            request["program"],
            roles,
            list(zip(request["targets"], fds, strict=True)),
            options=options,
            lower=lower,
            marker=self._marker,
        )


def _settle(instance: Instance, group: Group | None) -> None:
    """Move the process into its group, where it was not born there, and tell it that limits hold.

    Where it has failed meanwhile, its own message says why.
    """
    assert instance.control is not None
    try:
        if group and group.into_fd() < 0:
            group.attach(instance.pid)
        instance.control.send(b"g")
    except (ConnectionError, ProcessLookupError):
        return


def _check_limits(resources: dict[str, Any], manager: Manager | None) -> None:
    """Refuse limits that nothing would enforce; the profiles' own pids limit is let pass."""
    if manager is not None:
        return
    asked = [name for name in limits.wanted(resources) if name != "pids_limit"]
    if asked:
        raise OSError(
            errno.ENODEV, f"this host gives no cgroup controller to enforce {', '.join(asked)}"
        )
