"""The spawner's loop: requests from the engine, messages of children, deaths.

Every request brings a socket of its own for the answer, so threads of the harness need not wait
for each other and a slow start blocks nobody.
"""

from __future__ import annotations

import contextlib
import errno
import os
import resource
import select
import signal
import socket
from typing import TYPE_CHECKING, Any

from runtime.cgroups import files
from runtime.cgroups.home import SUPERVISOR
from runtime.spawner import wire
from runtime.spawner.executor import StepError
from runtime.spawner.process_tree import Family
from runtime.spawner.rootfs import Mapping

if TYPE_CHECKING:
    from collections.abc import Callable

    from runtime.cgroups import Group
    from runtime.spawner.instance import Instance
    from runtime.spawner.launcher import Launcher

_DELETED = "it was deleted meanwhile"
#: Descriptors that are left free for ending what runs, when starts are refused for want of them;
#: and the most that one process takes: its pidfd, the way to it, its group, a terminal, a listener.
_SPARE_DESCRIPTORS = 32
_DESCRIPTORS_EACH = 5
#: Descriptors a spawner needs for itself, and a few containers' worth.
LEAST_DESCRIPTORS = 256


class Spawner:
    """All that one spawner process holds."""

    def __init__(self, channel: socket.socket, launcher: Launcher, own: Group | None) -> None:
        self._channel = channel
        self._launcher = launcher
        self._own = own
        self._family = Family(launcher.helpers)
        self._instances = self._family.instances
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

    def close(self) -> bool:
        """Kill everything, wait for it, remove the groups; whether nothing is left."""
        self._launcher.close()
        complete = not self._family.end_all()
        manager = self._launcher.manager
        if manager:
            if self._own:
                leave(self._own)
            try:
                manager.close()
            except OSError:
                complete = False
        return complete

    def leave_mounts(self) -> None:
        """Unmount and remove the scratch directory."""
        self._launcher.mounts.close()

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
        except wire.LostError:
            return  # whoever asked sees the way of the answer closed
        reply = _way_back(fds)
        if reply is None:
            return
        answer = self._answer_to(request, fds, reply)
        if answer is not None:
            self._reply(reply, answer)

    def _answer_to(
        self, request: dict[str, Any], fds: list[int], reply: socket.socket
    ) -> dict[str, Any] | None:
        """What there is to say at once: an answer, or why there is none."""
        try:
            return self._serve(request, fds, reply)
        except StepError as error:
            return {"failure": (error.step, error.strerror, error.errno)}
        except OSError as error:
            reason = error.strerror or str(error)
            if error.filename:
                reason += f" ({error.filename})"
            return {"error": (type(error).__name__, reason, error.errno or 0)}
        except KeyError as error:
            return {"error": ("KeyError", f"there is no container {error}", 2)}
        except Exception as error:  # noqa: BLE001  # one bad request must not end all containers
            return {"error": ("Bug", f"{type(error).__name__}: {error}", 0)}
        finally:
            for fd in fds:
                os.close(fd)

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
        if verb == "start":
            return self._start(self._instances[request["id"]], reply)
        if verb == "prepare":
            mounts = self._launcher.mounts
            if request["shared_root"]:
                mounts.native(request["image"])
            elif request["image"]:
                mounts.lower(request["image"], Mapping(*request["mapping"]))
            return {"notes": mounts.notes}
        return self._serve_known(request, self._instances[request["id"]])

    def _serve_known(self, request: dict[str, Any], instance: Instance) -> dict[str, Any]:
        """What is asked about, or done to, something that exists."""
        verb = request["verb"]
        self._on_deaths()
        if verb == "status":
            return {"status": instance.status}
        if verb == "pids":
            return {"pids": self._family.population(instance)}
        if verb == "cpu":
            return {"cpu_s": instance.executed_cpu_s}
        if verb in ("freeze", "thaw", "limit"):
            return _change(verb, request, instance)
        if verb == "delete":
            return {"statuses": self._delete(instance)}
        if verb != "kill":
            raise OSError(errno.EINVAL, f"unknown request {verb!r}")
        self._family.kill(instance)
        return {}

    def _admit(self, name: str) -> None:
        if name in self._instances:
            raise FileExistsError(17, f"the id {name!r} is in use")
        if not self._has_room():
            raise OSError(
                errno.EMFILE,
                f"the spawner may open no more descriptors for its {len(self._instances)} "
                "processes; delete some, or raise the hard limit (RLIMIT_NOFILE)",
            )

    def _has_room(self) -> bool:
        """Whether a start would leave descriptors enough for ending what runs."""
        limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        if _DESCRIPTORS_EACH * len(self._instances) + LEAST_DESCRIPTORS < limit:
            return True
        tried: list[int] = []
        try:
            while len(tried) < _SPARE_DESCRIPTORS:
                tried.append(os.dup(self._deaths))
        except OSError:
            return False
        finally:
            for fd in tried:
                os.close(fd)
        return True

    def _adopt(self, instance: Instance) -> None:
        self._family.adopt(instance)
        assert instance.control is not None
        self._watch(instance.control.fileno(), lambda: self._on_child(instance))

    def _start(self, instance: Instance, reply: socket.socket) -> dict[str, Any] | None:
        """Let a container that waits go on; the answer comes when it has executed."""
        if not instance.paused or instance.control is None:
            raise OSError(errno.EBUSY, "it is started already")
        instance.paused = False
        instance.reply = reply
        instance.control.send(b"s")
        return None

    def _on_child(self, instance: Instance) -> None:
        if instance.control is None:
            return
        try:
            data = instance.listen()
        except (BlockingIOError, ConnectionResetError):
            # A child that left our messages unread resets the socket (unix(7)); the kernel says
            # so once, before what the child had written, which the next turn reads.
            return
        except OSError as error:  # what it hands over cannot be taken; the others are none of it
            instance.failure = (-1, error.strerror or str(error), error.errno or 0)
            data = b""
        if data[:1] == b"n" or (data[:1] == b"r" and instance.paused):
            # it goes on only once somebody starts it, or answers its filter's notifications
            self._answer(instance)
        if data:
            return
        self._unwatch(instance.control.fileno())
        instance.control.close()
        instance.control = None
        if instance.failure is None and "ready" not in instance.stamps:
            instance.failure = (-1, "its process was killed", 0)
        self._answer(instance)

    def _answer(self, instance: Instance) -> None:
        """Tell whoever asked for it how its start went, once."""
        reply, instance.reply = instance.reply, None
        if reply is None:
            return
        if instance.failure is None:
            if not self._reply(reply, instance.answer(), instance.descriptors()):
                self._discard(instance)  # nobody waits for it any more, so nobody would delete it
                return
            instance.release()
        else:
            self._discard(instance)
            self._reply(reply, {"failure": instance.failure})

    def _on_deaths(self) -> None:
        with contextlib.suppress(BlockingIOError):
            os.read(self._deaths, 4096)
        self._family.reap()

    def _discard(self, instance: Instance) -> None:
        with contextlib.suppress(OSError):
            self._delete(instance)

    def _delete(self, instance: Instance) -> dict[str, int | None]:
        """Kill what is left, forget it and what was executed into it, remove its group.

        Returns:
            The exit status of everything that is forgotten, by name.
        """
        self._family.end(instance)
        members = self._family.members(instance)
        for member in members:
            if member.control is not None:
                self._unwatch(member.control.fileno())
                member.control.close()
                member.control = None
            if member.reply is not None:
                failure = member.failure or (-1, _DELETED, 0)
                self._reply(member.reply, {"failure": failure})
                member.reply = None
            member.release()
            os.close(member.pidfd)
            del self._instances[member.name]
        if instance.group:
            instance.group.remove()
        image = instance.image
        if image and all(other.image != image for other in self._instances.values()):
            self._launcher.mounts.renew(image)
        return {member.name: member.status for member in members}

    def _reply(
        self, reply: socket.socket, answer: dict[str, Any], fds: tuple[int, ...] = ()
    ) -> bool:
        """Answer a request; whether anybody was there to hear it."""
        with reply:
            try:
                wire.send(reply, answer, fds)
            except (BrokenPipeError, ConnectionResetError):
                return False
        return True


def _way_back(fds: list[int]) -> socket.socket | None:
    """The socket for the answer, the first of the descriptors; None where there is none."""
    try:
        return socket.socket(fileno=fds.pop(0))
    except (IndexError, OSError):
        for fd in fds:
            os.close(fd)
        return None


def _change(verb: str, request: dict[str, Any], instance: Instance) -> dict[str, Any]:
    """What is done to a container by its control group."""
    group = instance.group
    if group is None:
        raise OSError(errno.ENODEV, "it has no control group")
    if verb == "freeze":
        group.freeze()
    elif verb == "thaw":
        group.thaw()
    else:
        group.limit(request["resources"])
    return {"cgroups": group.paths}


def leave(own: Group) -> None:
    """Step out of the engine's own limits, so that the group can be removed."""
    for path in own.paths.values():
        above = os.path.dirname(os.path.dirname(path))
        # a home that hands controllers on takes no process itself
        for folder in (f"{above}/{SUPERVISOR}", above):
            try:
                files.attach(folder, os.getpid())
            except OSError:
                continue
            break
