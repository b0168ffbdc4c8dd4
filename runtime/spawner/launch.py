"""Making processes: a container's first, and further ones inside it."""

from __future__ import annotations

import errno
import os
import signal
import socket
import time
from typing import TYPE_CHECKING, Any, Never

from runtime import syscalls
from runtime.operations import Operation, decode
from runtime.operations.mounts import BindMount, open_source
from runtime.spawner.child import become
from runtime.spawner.herald import Herald
from runtime.spawner.instance import Instance
from runtime.spawner.territory import Mapping, Territory, write_mapping

if TYPE_CHECKING:
    from runtime.cgroups import Group, Manager


class Launcher:
    """What all starts of one spawner share."""

    def __init__(
        self, territory: Territory, manager: Manager | None, marker: str, init_fd: int
    ) -> None:
        self.territory = territory
        self.manager = manager
        self.filters: dict[str, bytes] = {}
        self._marker = marker
        self._init_fd = init_fd
        self._parent = os.getpid()
        self._herald = Herald(manager.herald_group) if manager and manager.herald_group else None
        self._plans: dict[bytes, list[Operation]] = {}

    def close(self) -> None:
        """End the helper process."""
        if self._herald:
            self._herald.close()

    @property
    def helpers(self) -> tuple[int, ...]:
        """Processes of the spawner's own that belong to no container."""
        return (self._herald.pid,) if self._herald else ()

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
        mapping = Mapping(*request["mapping"])
        fields = self._fields(request)
        if request["shared_root"]:
            fields["lower"] = self.territory.native(request["image"])
        else:
            fields["lower"] = self.territory.lower(request["image"], mapping)
        group: Group | None = None
        _check_limits(request["resources"] or {}, self.manager)
        try:
            if request["resources"] is not None and self.manager is not None:
                group = self.manager.create(request["id"])
                if self._herald:
                    self._herald.call()
                else:
                    group.limit(request["resources"])
            instance = self._spawn(request, fds, fields, reply, group)
        except OSError:
            if group:
                group.remove()
            raise
        try:
            self._settle(instance, request, mapping)
        except ConnectionError:
            pass  # the child failed meanwhile; its own message says why
        except OSError:
            instance.abandon()
            if group:
                group.remove()
            raise
        return instance

    def _settle(self, instance: Instance, request: dict[str, Any], mapping: Mapping) -> None:
        """Do for the child what only the host's root can, and tell it so."""
        assert instance.control is not None
        if mapping.uids:
            write_mapping(instance.pid, mapping)
        if request["oom_score_adj"] is not None:
            _write_oom(instance.pid, request["oom_score_adj"])
        instance.control.send(b"m")
        group = instance.group
        if group and group.into_fd() < 0:
            group.limit(request["resources"])
            group.attach(instance.pid)
        instance.control.send(b"g")

    def enter(
        self, request: dict[str, Any], fds: list[int], reply: socket.socket, target: Instance
    ) -> Instance:
        """Make a process inside a running container.

        A helper enters the cgroup and the namespaces and makes the process as its own sibling
        (CLONE_PARENT): a process enters a pid namespace only by being born into it.

        Raises:
            OSError: the kernel refused.
        """
        fields = self._fields(request)
        if request["shared_root"]:
            fields["lower"] = self.territory.native(request["image"])
        plan = self._plan(request["plan"])
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        inside = target.group.into_fd() if target.group else -1
        helper, helper_fd = syscalls.clone3(0, cgroup_fd=inside)
        if helper == 0:
            _join(target.pidfd, request, fds, fields, plan=plan, control=theirs)
        theirs.close()
        try:
            if target.group and inside < 0:
                target.group.attach(helper)
            ours.send(b"g")
            heard = _listen(ours)
        except OSError:
            ours.close()
            raise
        finally:
            signal.pidfd_send_signal(helper_fd, signal.SIGKILL)  # it may wait for our word
            os.waitpid(helper, 0)
            os.close(helper_fd)
        if heard[-1][:1] != b"p":
            ours.close()
            raise OSError(*_reason(heard))
        stamps = {"requested": request["requested"], "spawned": time.monotonic_ns()}
        pid = int(heard[-1][1:])
        instance = Instance(
            request["id"], pid, os.pidfd_open(pid), group=None, reply=reply, control=ours,
            stamps=stamps,
        )  # fmt: skip
        for message in heard[:-1]:
            instance.hear(message)
        return instance

    def _spawn(  # one caller, all of it at hand there
        self,
        request: dict[str, Any],
        fds: list[int],
        fields: dict[str, Any],
        reply: socket.socket,
        group: Group | None,
    ) -> Instance:
        plan = self._plan(request["plan"])
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        inside = group.into_fd() if group else -1
        try:
            for step in plan:
                if isinstance(step, BindMount):
                    fields["sources"][step.source] = open_source(step)
            pid, pidfd = syscalls.clone3(request["flags"], cgroup_fd=inside)
        except OSError:
            _close(fields["sources"])
            raise
        if pid == 0:
            ours.close()  # or the child would never read its end
            fields["control"] = theirs.fileno()
            targets = dict(zip(request["targets"], fds, strict=True))
            become(plan, fields, targets, time_steps=request["time_steps"])
        stamps = {"requested": request["requested"], "spawned": time.monotonic_ns()}
        theirs.close()
        _close(fields["sources"])
        return Instance(
            request["id"],
            pid,
            pidfd,
            group=group,
            reply=reply,
            control=ours,
            stamps=stamps,
            shares_pids=not request["flags"] & syscalls.CLONE_NEWPID,
            image=request["image"] if request["shared_root"] else "",
        )

    def _plan(self, encoded: bytes) -> list[Operation]:
        if encoded not in self._plans:
            import marshal  # loaded already: wire.py needs it

            self._plans[encoded] = decode(marshal.loads(encoded))  # noqa: S302  # our own engine's
        return self._plans[encoded]

    def _fields(self, request: dict[str, Any]) -> dict[str, Any]:
        return {
            "base": ".",
            "lower": "",
            "marker": self._marker,
            "init_fd": self._init_fd,
            "parent": self._parent,
            "argv": request["argv"],
            "env": request["env"],
            "filters": self.filters,
            "sources": {},
            "undumpable": not any(request.get("mapping", ())),
        }


def _join(
    target: int,
    request: dict[str, Any],
    fds: list[int],
    fields: dict[str, Any],
    *,
    plan: list[Operation],
    control: socket.socket,
) -> Never:
    """Enter the container and make the process in it; runs in the helper.

    What is half-made in the container must be of no use to whoever is in there already
    (CVE-2019-5736, CVE-2016-9962): it is not dumpable, so /proc/PID/exe, which is still the
    spawner's interpreter, and /proc/PID/fd cannot be opened until the exec makes it dumpable
    again; and it holds no descriptor but the workload's own and the way to the spawner.

    Args:
        target: pidfd of the container's first process.
        request: the engine's.
        fds: what the workload is to have.
        fields: of the Context.
        plan: steps of the new process.
        control: the helper's end of the socket to the spawner.
    """
    try:
        syscalls.prctl(syscalls.PR_SET_DUMPABLE, 0)
        syscalls.close_all_but((target, control.fileno(), *fds))
        if not control.recv(1):
            os._exit(125)  # the spawner is gone
        if request["namespaces"]:
            os.setns(target, request["namespaces"])
        os.close(target)
        pid, _ = syscalls.clone3(syscalls.CLONE_PARENT)
        if pid == 0:
            fields["control"] = control.fileno()
            targets = dict(zip(request["targets"], fds, strict=True))
            become(plan, fields, targets, time_steps=False)
        control.send(b"p%d" % pid)
        os._exit(0)
    except OSError as error:
        reason = error.strerror or str(error)
        control.send(f"eJoin\0join the container\0{reason}\0{error.errno}".encode())
    finally:
        os._exit(125)


def _check_limits(resources: dict[str, Any], manager: Manager | None) -> None:
    """Refuse limits that nothing would enforce; the profiles' own pids limit is let pass."""
    wanted = [k for k, v in resources.items() if v is not None and k != "pids_limit"]
    if wanted and manager is None:
        raise OSError(
            errno.ENODEV, f"this host gives no cgroup controller to enforce {', '.join(wanted)}"
        )


def _listen(channel: socket.socket) -> list[bytes]:
    """Messages up to the helper's own, the process's id; the process itself may be faster."""
    heard: list[bytes] = []
    while not heard or heard[-1][:1] != b"p":
        heard.append(channel.recv(4096))
        if not heard[-1]:
            break
    return heard


def _reason(heard: list[bytes]) -> tuple[int, str]:
    for message in heard:
        if message[:1] == b"e":
            _, what, reason, number = message[1:].decode("utf-8", "replace").split("\0")
            return int(number), f"{what}: {reason}"
    return errno.ECHILD, "the helper that enters the container died"


def _close(sources: dict[str, int]) -> None:
    for fd in sources.values():
        os.close(fd)


def _write_oom(pid: int, value: int) -> None:
    fd = os.open(f"/proc/{pid}/oom_score_adj", os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(fd, str(value).encode())
    finally:
        os.close(fd)
