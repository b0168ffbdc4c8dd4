"""The spawner's loop: requests from the engine, messages of children, deaths.

Every request brings a socket of its own for the answer, so threads of the harness need not wait
for each other and a slow start blocks nobody.
"""

from __future__ import annotations

import contextlib
import gc
import os
import resource
import select
import signal
import socket
import time
from typing import TYPE_CHECKING, Any

from runtime import cgroups, syscalls, wire
from runtime.cgroups import layout
from runtime.spawner.init import open_init
from runtime.spawner.launch import Launcher
from runtime.spawner.territory import Mapping, Territory, enter

if TYPE_CHECKING:
    from collections.abc import Callable

    from runtime.cgroups import Group
    from runtime.spawner.instance import Instance

_DEATH_S = 5.0


class Spawner:
    """All that one spawner process holds."""

    def __init__(self, channel: socket.socket, launcher: Launcher, own: Group | None) -> None:
        self._channel = channel
        self._launcher = launcher
        self._own = own
        self._instances: dict[str, Instance] = {}
        self._poll = select.epoll()
        self._handlers: dict[int, Callable[[], None]] = {}
        self._watch(channel.fileno(), self._on_request)
        self._deaths, wakeup = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        signal.set_wakeup_fd(wakeup, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        self._watch(self._deaths, self._on_deaths)
        self._open = True

    def loop(self) -> None:
        """Serve until the engine's end is closed, by its close() or by its death."""
        while self._open:
            for fd, _ in self._poll.poll():
                handler = self._handlers.get(fd)
                if handler:
                    handler()

    def close(self) -> None:
        """Kill everything, wait for it, remove the groups."""
        for instance in self._instances.values():
            with contextlib.suppress(OSError):
                instance.signal(signal.SIGKILL)
                if instance.group:
                    instance.group.kill()
        self._launcher.close()
        deadline = time.monotonic() + _DEATH_S
        with contextlib.suppress(ChildProcessError):
            while time.monotonic() < deadline:
                pid, _ = os.waitpid(-1, os.WNOHANG)
                if not pid:
                    time.sleep(0.001)
        manager = self._launcher.manager
        if manager:
            if self._own:
                _leave(self._own)
            with contextlib.suppress(OSError):
                manager.close()

    def leave_territory(self) -> None:
        """Unmount and remove the scratch directory."""
        self._launcher.territory.close()

    def _watch(self, fd: int, handler: Callable[[], None]) -> None:
        self._handlers[fd] = handler
        self._poll.register(fd, select.EPOLLIN)

    def _unwatch(self, fd: int) -> None:
        del self._handlers[fd]
        self._poll.unregister(fd)

    def _on_request(self) -> None:
        try:
            request, fds = wire.receive(self._channel)
        except (EOFError, ConnectionResetError):
            self._open = False
            return
        reply = socket.socket(fileno=fds.pop(0))
        try:
            answer = self._serve(request, fds, reply)
        except OSError as error:
            reason = error.strerror or str(error)
            if error.filename:
                reason += f" ({error.filename})"
            kind = type(error).__name__
            answer = {"error": (kind, request.get("what", "serve"), reason, error.errno or 0)}
        except KeyError as error:
            answer = {"error": ("KeyError", "find the container", f"unknown: {error}", 2)}
        except Exception as error:  # noqa: BLE001  # one bad request must not end all containers
            reason = f"{type(error).__name__}: {error}"
            answer = {"error": ("Bug", request.get("what", "serve"), reason, 0)}
        finally:
            for fd in fds:
                os.close(fd)
        if answer is not None:
            self._reply(reply, answer)

    def _serve(
        self, request: dict[str, Any], fds: list[int], reply: socket.socket
    ) -> dict[str, Any] | None:
        verb = request["verb"]
        if verb == "run":
            self._admit(request["id"])
            self._adopt(self._launcher.run(request, fds, reply))
            return None
        if verb == "exec":
            target = self._instances[request["container"]]
            self._admit(request["id"])
            self._adopt(self._launcher.enter(request, fds, reply, target))
            return None
        if verb == "prepare":
            self._launcher.filters.update(request["filters"])
            territory = self._launcher.territory
            if request["shared_root"]:
                territory.native(request["image"])
            elif request["image"]:
                territory.lower(request["image"], Mapping(*request["mapping"]))
            return {"notes": territory.notes}
        instance = self._instances[request["id"]]
        if verb == "status":
            self._on_deaths()
            return {"status": instance.status}
        if verb == "kill":
            if instance.group:
                instance.group.kill()
            instance.signal(signal.SIGKILL)
            return {}
        if verb == "delete":
            self._delete(instance)
            return {}
        raise OSError(22, f"unknown request {verb!r}")

    def _admit(self, name: str) -> None:
        if name in self._instances:
            raise FileExistsError(17, f"the id {name!r} is in use")

    def _adopt(self, instance: Instance) -> None:
        self._instances[instance.name] = instance
        assert instance.control is not None
        self._watch(instance.control.fileno(), lambda: self._on_child(instance))

    def _on_child(self, instance: Instance) -> None:
        if instance.control is None:
            return
        try:
            data = instance.control.recv(65536)
        except (BlockingIOError, ConnectionResetError):
            # A child that left our messages unread resets the socket (unix(7)); the kernel says
            # so once, before what the child had written, which the next turn reads.
            return
        if data:
            instance.hear(data)
            return
        self._unwatch(instance.control.fileno())
        instance.control.close()
        instance.control = None
        if instance.failure is None and "ready" not in instance.stamps:
            instance.failure = ("Died", "set the container up", "its process was killed", 0)
        reply, instance.reply = instance.reply, None
        if reply is None:
            return
        if instance.failure is None:
            self._reply(reply, instance.answer(), (instance.pidfd,))
        else:
            instance.signal(signal.SIGKILL)
            self._delete(instance)
            self._reply(reply, {"error": instance.failure})

    def _on_deaths(self) -> None:
        """Reap: our own instances keep their status, orphans of native ones are just let go."""
        with contextlib.suppress(BlockingIOError):
            os.read(self._deaths, 4096)
        known = {instance.pid: instance for instance in self._instances.values()}
        with contextlib.suppress(ChildProcessError):
            while ended := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT):
                instance = known.get(ended.si_pid)
                if instance is not None and instance.status is None:
                    instance.reap()
                else:
                    os.waitpid(ended.si_pid, 0)

    def _delete(self, instance: Instance) -> None:
        """Kill what is left, then forget the instance and remove its group."""
        if instance.group:
            instance.group.kill()
        instance.signal(signal.SIGKILL)
        if instance.status is None:
            instance.reap()
        if instance.control is not None:
            self._unwatch(instance.control.fileno())
            instance.control.close()
            instance.control = None
        os.close(instance.pidfd)
        del self._instances[instance.name]
        if instance.group:
            instance.group.remove()

    def _reply(
        self, reply: socket.socket, answer: dict[str, Any], fds: tuple[int, ...] = ()
    ) -> None:
        with reply, contextlib.suppress(BrokenPipeError):
            wire.send(reply, answer, fds)


def _leave(own: Group) -> None:
    """Step out of the engine's own limits, so that the group can be removed."""
    for path in own.paths.values():
        above = os.path.dirname(os.path.dirname(path))
        with contextlib.suppress(OSError), open(f"{above}/cgroup.procs", "w") as procs:
            procs.write(str(os.getpid()))


def main(fd: int) -> None:
    """Set the spawner up as the first message asks, then serve."""
    channel = socket.socket(fileno=fd)
    channel.set_inheritable(False)
    settings, _ = wire.receive(channel)
    try:
        spawner, answer = _start(channel, settings)
    except OSError as error:
        wire.send(channel, {"error": error.strerror or str(error)})
        return
    wire.send(channel, answer)
    # Objects made so far never move to the collector's lists again: no start touches their pages.
    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        spawner.loop()
    finally:
        spawner.close()
        with contextlib.suppress(OSError):
            spawner.leave_territory()
            os.unlink(f"{settings['folder']}/engine.json")
            os.rmdir(settings["folder"])


def _start(channel: socket.socket, settings: dict[str, Any]) -> tuple[Spawner, dict[str, Any]]:
    marker = settings["marker"]
    where = layout.current()
    enter()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    syscalls.prctl(syscalls.PR_SET_CHILD_SUBREAPER, 1)
    manager = cgroups.manager(marker, where)
    own: Group | None = None
    if settings["memory_limit_bytes"] is not None:
        if manager is None:
            raise OSError(19, "no cgroup controller can be used for the memory limit")
        own = manager.create("spawner")
        own.limit({"memory_limit_bytes": settings["memory_limit_bytes"]})
        own.attach(os.getpid())
    if settings["affinity"]:
        os.sched_setaffinity(0, settings["affinity"])
    try:
        territory = Territory(f"{settings['folder']}/territory", marker)
        launcher = Launcher(territory, manager, marker, open_init())
    except OSError:
        if manager:
            if own:
                _leave(own)
            manager.close()
        raise
    answer = {
        "pid": os.getpid(),
        "cgroups": manager.paths if manager else {},
        "nofile": (soft, hard),
        "has_init": launcher.has_init,
    }
    return Spawner(channel, launcher, own), answer
