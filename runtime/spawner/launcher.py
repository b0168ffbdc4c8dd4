"""The maker of processes: a container's first, and further ones inside it."""

from __future__ import annotations

import errno
import os
import socket
from typing import TYPE_CHECKING, Any

from runtime.cgroups import limits
from runtime.spawner.early_migration import EarlyMigration
from runtime.spawner.executor import TIMED, UNDUMPABLE, Executor, GoneError, Roles
from runtime.spawner.init import open_init, sealed_copy
from runtime.spawner.instance import Instance
from runtime.spawner.namespace_owners import NamespaceOwners
from runtime.spawner.rootfs import ImageMounts, Mapping

if TYPE_CHECKING:
    from runtime.cgroups import Group, Manager
    from runtime.spawner.executor import Made


class Launcher:
    """What all starts of one spawner share.

    Args:
        mounts: images, mounted.
        manager: maker of control groups, where the host gives any.
        marker: source name of our mounts; tells ours from others' in /proc/PID/mountinfo.
        program: path of the executor.
        no_groups: why the host gives no control groups, where that is known.
    """

    def __init__(
        self,
        mounts: ImageMounts,
        manager: Manager | None,
        marker: str,
        program: str,
        no_groups: str = "",
    ) -> None:
        self.mounts = mounts
        self.manager = manager
        self._no_groups = no_groups
        self._marker = marker
        self._owners = NamespaceOwners(marker)
        self._init_fd = open_init()
        # kept, for one that takes over where the executor is killed
        self._program = f"/proc/self/fd/{sealed_copy(program, 'executor')}"
        self._executor = Executor(self._program)
        group = manager.early_migration_group if manager else ""
        self._early_migration = EarlyMigration(self._program, group) if group else None

    def close(self) -> None:
        """End the helper processes."""
        self._executor.close()
        if self._early_migration:
            self._early_migration.close()

    def helpers(self) -> tuple[int, ...]:
        """Processes of the spawner's own that belong to no container."""
        migration = (self._early_migration.pid,) if self._early_migration else ()
        return (self._executor.pid, *migration)

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
        if self.manager is None:
            _refuse_limits(resources or {}, self._no_groups)
        grouped = resources is not None and self.manager is not None
        if grouped and self._early_migration:
            self._early_migration.call()
        if request["shared_root"]:
            lower = self.mounts.native(request["image"])
        elif request["image"]:
            lower = self.mounts.lower(request["image"], Mapping(*request["mapping"]))
        else:
            lower = ""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            with theirs:
                made, group = self._make(request, fds, lower, theirs, grouped=grouped)
        except OSError:
            ours.close()  # on which a process that was made ends
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

    def _make(
        self,
        request: dict[str, Any],
        fds: list[int],
        lower: str,
        control: socket.socket,
        *,
        grouped: bool,
    ) -> tuple[Made, Group | None]:
        """The process, and its group where it gets one."""
        group: Group | None = None
        if grouped and not self._early_migration:
            group = self._group(request["id"], request["resources"])
        try:
            inside = group.into_fd() if group else -1
            roles = Roles(control=control.fileno(), cgroup=inside, init=self._init_fd)
            self._ask(request, fds, roles, lower)
            control.close()
            if grouped and self._early_migration:  # while the process mounts
                try:
                    group = self._group(request["id"], request["resources"])
                except OSError:
                    os.close(self._made().pidfd)
                    raise
            return self._made(), group
        except OSError:
            if group:
                group.kill()
                group.remove()
            raise

    def enter(
        self, request: dict[str, Any], fds: list[int], reply: socket.socket, target: Instance
    ) -> Instance:
        """Make a process inside a running container.

        Raises:
            OSError: the kernel refused.
        """
        lower = self.mounts.native(request["image"]) if request["shared_root"] else ""
        group = target.group
        inside = group.into_fd() if group else -1
        if group and inside < 0 and self._early_migration:
            self._early_migration.call()
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            with theirs:
                roles = Roles(control=theirs.fileno(), cgroup=inside, target=target.pidfd)
                self._ask(request, fds, roles, lower)
            made = self._made()
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

        def ask() -> None:
            self._executor.make(
                request["program"],
                roles,
                list(zip(request["targets"], fds, strict=True)),
                options=options,
                owner=self._owners.take() if request["maps_ids"] else 0,
                lower=lower,
                marker=self._marker,
            )

        try:
            ask()
        except GoneError:  # since the last request: nothing of this one was begun
            self._renew()
            ask()

    def _made(self) -> Made:
        try:
            return self._executor.made()
        except GoneError:
            self._renew()
            raise

    def _renew(self) -> None:
        fresh = Executor(self._program)  # where this fails, the next request tries again
        self._executor.close()
        self._executor = fresh


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


def _refuse_limits(resources: dict[str, Any], why: str) -> None:
    """Refuse limits that nothing would enforce; the profiles' own pids limit is let pass."""
    asked = [name for name in limits.wanted(resources) if name != "pids_limit"]
    if asked:
        raise OSError(
            errno.ENODEV,
            f"this host gives no cgroup controller to enforce {', '.join(asked)}"
            + (f": {why}" if why else ""),
        )
