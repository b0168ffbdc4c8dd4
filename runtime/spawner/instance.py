"""One process that the spawner made and answers for."""

from __future__ import annotations

import array
import os
import signal
import socket
import struct
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from runtime.cgroups import Group

_FD = array.array("i", [0]).itemsize
_STAMP = struct.Struct("=qq")


class Instance:
    """A container's first process, or one that was executed into it.

    Attributes:
        control: our end of the socket to it until it has executed, then None.
        reply: where the answer to the request goes, until it was given.
        status: exit status as a shell has it (128 + signal), None while it runs.
        cpu_s: CPU seconds that it and what it reaped have used, known when it is reaped.
        executed_cpu_s: the same of the processes executed into it that have ended.
        paused: it waits for its start once it is ready.
        terminal: the master of its terminal, -1 for none; `listener`: its filter's notifications.
        steps: place in the plan and time (ns) of each step, where that was asked for.
        failure: place in the plan of the step that failed, reason, errno.
        sessions: ids of the sessions that it and processes executed into it began.
    """

    def __init__(
        self,
        name: str,
        pid: int,
        pidfd: int,
        *,
        group: Group | None,
        reply: socket.socket,
        control: socket.socket,
        stamps: dict[str, int],
        shares_pids: bool = False,
        image: str = "",
        paused: bool = False,
    ) -> None:
        """Take note of a process.

        Args:
            name: the container's id; "ID/number" for a process executed into it.
            pid: its process id.
            pidfd: a descriptor of it, owned from now on.
            group: control group of its own.
            reply: where the answer to the request goes.
            control: our end of the socket to it.
            stamps: boundaries passed so far.
            shares_pids: it is a first process and lives in the spawner's pid namespace.
            image: tree whose shared root it uses, "" where it has a root of its own.
            paused: it waits for its start once it is ready.
        """
        self.name = name
        self.pid = pid
        self.pidfd = pidfd
        self.group = group
        self.reply: socket.socket | None = reply
        self.control: socket.socket | None = control
        self.stamps = stamps
        self.steps: list[tuple[int, int]] = []
        self.failure: tuple[int, str, int] | None = None
        self.status: int | None = None
        self.shares_pids = shares_pids
        self.image = image
        self.paused = paused
        self.terminal = -1
        self.listener = -1
        self.cpu_s = 0.0
        self.executed_cpu_s = 0.0
        self.sessions = {pid}

    @property
    def loose(self) -> bool:
        """Whether neither a group nor a pid namespace keeps its processes together."""
        return self.shares_pids and self.group is None

    def listen(self) -> bytes:
        """Take one message of the child; empty when it has executed or ended.

        Raises:
            BlockingIOError: there is none; ConnectionResetError: it left something of ours unread.
        """
        assert self.control is not None
        space = socket.CMSG_SPACE(_FD)
        data, ancillary, _, _ = self.control.recvmsg(65536, space, socket.MSG_CMSG_CLOEXEC)
        kind, rest = data[:1], data[1:]
        if kind == b"r":
            self.stamps["ready"] = int(rest)
        elif kind == b"s":
            self.steps = list(_STAMP.iter_unpack(rest))
        elif kind == b"t" and ancillary:
            self.terminal = struct.unpack("=i", ancillary[0][2][:_FD])[0]
        elif kind == b"n" and ancillary:
            self.listener = struct.unpack("=i", ancillary[0][2][:_FD])[0]
        elif kind == b"e":
            step, number, reason = rest.decode("utf-8", "replace").split(" ", 2)
            what = os.strerror(int(number))
            self.failure = (int(step), f"{reason}: {what}" if reason else what, int(number))
        return data

    def answer(self) -> dict[str, Any]:
        """What the engine is told once the workload runs."""
        return {
            "pid": self.pid,
            "stamps": self.stamps,
            "steps": self.steps,
            "cgroups": self.group.paths if self.group else {},
            "terminal": self.terminal >= 0,
            "listener": self.listener >= 0,
        }

    def descriptors(self) -> tuple[int, ...]:
        """What goes with the answer."""
        return tuple(fd for fd in (self.pidfd, self.terminal, self.listener) if fd >= 0)

    def release(self) -> None:
        """Close what the engine holds itself once it has the answer."""
        for fd in (self.terminal, self.listener):
            if fd >= 0:
                os.close(fd)
        self.terminal = self.listener = -1

    def signal(self, number: int) -> None:
        """Signal the first process; nothing happens where it is gone."""
        if self.status is None:
            try:
                signal.pidfd_send_signal(self.pidfd, number)
            except ProcessLookupError:
                return

    def reap(self) -> bool:
        """Collect the exit status where the process has ended; whether it has."""
        if self.status is None:
            pid, status, usage = os.wait4(self.pid, os.WNOHANG)
            if pid:
                self.cpu_s = usage.ru_utime + usage.ru_stime
                code = os.waitstatus_to_exitcode(status)
                self.status = code if code >= 0 else 128 - code
        return self.status is not None

    def abandon(self) -> None:
        """End a process that is not yet known to anyone else; it is reaped when it has ended."""
        self.signal(signal.SIGKILL)
        os.close(self.pidfd)
        self.release()
        if self.control is not None:
            self.control.close()
            self.control = None
