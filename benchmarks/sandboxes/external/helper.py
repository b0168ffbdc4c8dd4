"""Helper process that starts external runtimes; it keeps their mounts away from the host's.

One per sandbox, started once as ``python -I -S``, single-threaded. It enters a mount namespace of
its own, keeps the image there with its owners shifted, mounts an overlay for each instance, and
runs the runtime's commands by ``posix_spawn`` (vfork: nothing of it is copied). It is the subreaper
of what runtimes leave to their parent. When the harness's end of the socket closes, by its end or
by its death, everything is taken down. Messages are those of ``runtime.spawner.wire``.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import shutil
import signal
import socket
import time
from typing import Any

from runtime.harness import ImageMounts, Mapping, enter, files, syscalls, wire

_HIGH = 100
"""Descriptors are moved above this, so that none lies where a command expects another."""

_DEATH_S = 5.0
"""Longest wait for the end of what was killed."""
_UNDO_S = 15.0
"""Longest wait for a command of ``undo``: a manager that removes a container waits for locks."""
_UNDO_ALL_S = 40.0
"""For all of them at the end: the harness waits no longer than a start may take.

``tare clean`` finds what is left then.
"""
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class Helper:
    """State of one helper process: its mounts, its children, and the commands that undo them."""

    def __init__(self, connection: socket.socket, settings: dict[str, Any]) -> None:
        """Enter the namespace and set it up as asked.

        Raises:
            OSError: The kernel refused.
        """
        self._socket = connection
        enter()
        for path in settings["hide"]:
            syscalls.umount(path)
        self._made = [path for path in settings["cover"] if not os.path.isdir(path)]
        for path in self._made:
            os.mkdir(path)
        for path in settings["cover"]:
            syscalls.mount(settings["marker"], path, "tmpfs", 0, "mode=0755")
        self._covered: tuple[str, ...] = settings["cover"]
        syscalls.prctl(syscalls.PR_SET_CHILD_SUBREAPER, 1)
        if settings["affinity"]:
            os.sched_setaffinity(0, settings["affinity"])
        self._marker: str = settings["marker"]
        self._territory = ImageMounts(f"{settings['folder']}/territory", self._marker)
        self._undo: dict[str, tuple[str, ...]] = {}
        self._statuses: dict[int, int | None] = {}
        self._wake, wakeup = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        signal.set_wakeup_fd(wakeup, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)

    def loop(self) -> None:
        """Serve until the harness's end is closed."""
        poll = select.poll()
        for fd in (self._socket.fileno(), self._wake):
            poll.register(fd, select.POLLIN)
        while True:
            for fd, _ in poll.poll():
                if fd == self._wake:
                    self._reap()
                    continue
                try:
                    request, fds = wire.receive(self._socket)
                except (EOFError, ConnectionResetError):
                    return
                self._answer(request, fds)

    def close(self) -> None:
        """End what still runs, and unmount."""
        # first what may still make something: it would come after its removal
        for pid, status in self._statuses.items():
            if status is None:
                os.kill(pid, signal.SIGKILL)
        deadline = time.monotonic() + _UNDO_ALL_S
        for name in reversed(self._undo.copy()):
            if time.monotonic() < deadline:
                with contextlib.suppress(OSError):
                    self.drop({"name": name})
        deadline = time.monotonic() + _DEATH_S
        with contextlib.suppress(ChildProcessError):
            while time.monotonic() < deadline:
                if os.waitpid(-1, os.WNOHANG) == (0, 0):
                    _kill_children()  # what a runtime has left to us by its death
                    time.sleep(0.001)
        self._territory.close()
        for path in self._covered:
            syscalls.umount(path)
        for path in self._made:
            with contextlib.suppress(OSError):  # somebody else uses it by now
                os.rmdir(path)

    def _answer(self, request: dict[str, Any], fds: list[int]) -> None:
        held = [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, _HIGH) for fd in fds]
        for fd in fds:
            os.close(fd)
        passed: tuple[int, ...] = ()
        try:
            answer, passed = getattr(self, request["verb"])(request, *held)
        except OSError as error:
            where = f" ({error.filename})" if error.filename else ""
            answer = {"error": (error.strerror or str(error)) + where}
        except ValueError as error:  # of this request: the next ones can still be served
            answer = {"error": str(error)}
        finally:
            for fd in held:
                os.close(fd)
        with contextlib.suppress(BrokenPipeError):
            wire.send(self._socket, answer, passed)
        for fd in passed:
            os.close(fd)

    def lower(self, request: dict[str, Any]) -> tuple[dict[str, Any], tuple[int, ...]]:
        """Mount the image with its owners shifted; answer the path and what could not be had."""
        mapping = Mapping(request["uids"], request["gids"])
        path = self._territory.lower(request["image"], mapping)
        return {"path": path, "notes": self._territory.notes}, ()

    def put(self, request: dict[str, Any]) -> tuple[dict[str, Any], tuple[int, ...]]:
        """Write files below the scratch directory; answer that directory."""
        for path, data in request["files"].items():
            full = f"{self._territory.base}/{path}"
            os.makedirs(os.path.dirname(full), mode=0o711, exist_ok=True)
            fd = os.open(full, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
            with open(fd, "wb") as file:
                file.write(data)
        return {"base": self._territory.base}, ()

    def spawn(
        self,
        request: dict[str, Any],
        *fds: int,
    ) -> tuple[dict[str, Any], tuple[int, ...]]:
        """Run a command; the answer's descriptor is its pidfd. Nothing waits for it here."""
        if request.get("overlay"):
            self._overlay(**request["overlay"])
        if request.get("undo"):
            self._undo[request["name"]] = request["undo"]
        targets = request["targets"]
        actions = [(os.POSIX_SPAWN_DUP2, fd, to) for fd, to in zip(fds, targets, strict=True)]
        argv: tuple[str, ...] = request["argv"]
        pid = os.posix_spawn(argv[0], argv, request["env"], file_actions=actions)
        self._statuses[pid] = None
        return {"pid": pid, "spawned": time.monotonic_ns()}, (os.pidfd_open(pid),)

    def pids(self, request: dict[str, Any]) -> tuple[dict[str, Any], tuple[int, ...]]:
        """Answer the process ids in some files, and pidfds; in the order of the files."""
        pids: list[int] = []
        fds: list[int] = []
        try:
            for path in request["pid_files"]:
                pids.append(_pid_in(path))
                fds.append(os.pidfd_open(pids[-1]))
        except BaseException:
            for fd in fds:
                os.close(fd)
            raise
        return {"pids": pids}, tuple(fds)

    def at_end(self, request: dict[str, Any]) -> tuple[dict[str, Any], tuple[int, ...]]:
        """Keep a command for ``drop`` or for this process's own end, whichever comes first."""
        self._undo[request["name"]] = request["undo"]
        return {}, ()

    def status(self, request: dict[str, Any]) -> tuple[dict[str, Any], tuple[int, ...]]:
        """Answer how a command ended, None while it runs; an ended one is then forgotten."""
        self._reap()
        status = self._statuses.get(request["pid"])
        if status is not None:
            del self._statuses[request["pid"]]
        return {"status": status}, ()

    def drop(self, request: dict[str, Any]) -> tuple[dict[str, Any], tuple[int, ...]]:
        """Have the runtime remove an instance by force, then unmount what it stood on.

        What it could not remove it is asked for once more at the end.
        """
        name = request["name"]
        answer: dict[str, Any] = {"status": 0}
        if name in self._undo:
            argv = self._undo[name]
            env = {"PATH": _PATH, "HOME": self._territory.base}
            quiet = [(os.POSIX_SPAWN_OPEN, to, os.devnull, os.O_WRONLY, 0) for to in (1, 2)]
            pid = os.posix_spawn(argv[0], argv, env, file_actions=quiet)
            self._statuses[pid] = None
            answer["status"] = self._wait(pid, _UNDO_S)
            if answer["status"] == 0:
                del self._undo[name]
        folder = f"{self._territory.base}/{name}"
        for mounted in ("rootfs", "layer"):
            if os.path.isdir(f"{folder}/{mounted}"):
                with contextlib.suppress(OSError):
                    syscalls.umount(f"{folder}/{mounted}")
        shutil.rmtree(folder, ignore_errors=True)
        return answer, ()

    def _overlay(self, name: str, lower: str, owner: int) -> None:
        """Mount the image under a fresh tmpfs, owned by the container's root."""
        folder = f"{self._territory.base}/{name}"
        for path in (folder, f"{folder}/layer", f"{folder}/rootfs"):
            with contextlib.suppress(FileExistsError):
                os.mkdir(path, 0o711)
        layer = f"{folder}/layer"
        syscalls.mount(self._marker, layer, "tmpfs", syscalls.MS_NODEV, "mode=0711")
        for path in (f"{layer}/upper", f"{layer}/work"):
            os.mkdir(path, 0o755)
            os.chown(path, owner, owner)
        options = f"lowerdir={lower},upperdir={layer}/upper,workdir={layer}/work"
        syscalls.mount(self._marker, f"{folder}/rootfs", "overlay", syscalls.MS_NODEV, options)

    def _wait(self, pid: int, seconds: float) -> int | None:
        """Return a command's exit status as a shell has it; None if killed at the time limit."""
        pidfd = os.pidfd_open(pid)
        try:
            poll = select.poll()
            poll.register(pidfd, select.POLLIN)
            ended = poll.poll(seconds * 1000)
            if not ended:
                os.kill(pid, signal.SIGKILL)
                poll.poll()
        finally:
            os.close(pidfd)
        self._reap()
        status = self._statuses.pop(pid)
        return status if ended else None

    def _reap(self) -> None:
        with contextlib.suppress(BlockingIOError):
            os.read(self._wake, 4096)
        with contextlib.suppress(ChildProcessError):
            while True:
                pid, status = os.waitpid(-1, os.WNOHANG)
                if pid == 0:
                    return
                if pid in self._statuses:
                    code = os.waitstatus_to_exitcode(status)
                    self._statuses[pid] = code if code >= 0 else 128 - code


def _pid_in(path: str) -> int:
    with open(path) as file:
        text = file.read().strip()
    if not text.isdecimal():
        raise ValueError(f"{path} holds no process id")
    return int(text)


def _kill_children() -> None:
    """SIGKILL every child (proc_pid_task(5), "children")."""
    pid = os.getpid()
    with open(f"/proc/{pid}/task/{pid}/children", "rb", buffering=0) as file:
        for child in file.read().split():
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(child), signal.SIGKILL)


def main(fd: int) -> None:
    """Set up as the first message asks, then serve."""
    connection = socket.socket(fileno=fd)
    connection.set_inheritable(False)
    settings, _ = wire.receive(connection)
    try:
        helper = Helper(connection, settings)
    except OSError as error:
        wire.send(connection, {"error": error.strerror or str(error)})
        return
    wire.send(connection, {"pid": os.getpid()})
    try:
        helper.loop()
    finally:
        helper.close()
        # the harness may be gone: then nobody else removes these
        for name in ("engine.json", "territory"):
            path = f"{settings['folder']}/{name}"
            with contextlib.suppress(OSError):
                (os.rmdir if os.path.isdir(path) else os.unlink)(path)
        for group in settings["groups"]:
            with contextlib.suppress(OSError):
                files.remove(group)
        with contextlib.suppress(OSError):
            os.rmdir(settings["folder"])
