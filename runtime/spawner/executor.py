"""The spawner's side of the executor, which makes the processes."""

from __future__ import annotations

import array
import errno
import os
import socket
import struct
from typing import TYPE_CHECKING, NamedTuple

from runtime.plan.steps.values import values

if TYPE_CHECKING:
    from collections.abc import Sequence

#: Options of a request (executor.h).
TIMED, UNDUMPABLE, ORPHAN = 1, 2, 4
_INLINE_BYTES = 120 * 1024
_ANSWER = struct.Struct("=qqq488s")
_FD = array.array("i", [0]).itemsize


class StepError(OSError):
    """The kernel refused one step on the host's side; `step` is its place in the plan."""

    def __init__(self, step: int, number: int, reason: str) -> None:
        super().__init__(number, reason)
        self.step = step


class GoneError(OSError):
    """The executor has ended, which only a signal from outside makes it do."""

    def __init__(self, pid: int) -> None:
        super().__init__(
            errno.EPIPE, f"the executor (process {pid}) was killed; the next request gets a new one"
        )


class Roles(NamedTuple):
    """What descriptors of a request are for; -1 for none.

    Args:
        control: the process's end of the socket to whoever answers for it.
        cgroup: directory to be born in.
        init: the init program.
        target: pidfd of a container to enter.
        console: socket that the terminal is sent to, the control socket by default.
        start: listening socket that says when to go on.
    """

    control: int
    cgroup: int = -1
    init: int = -1
    target: int = -1
    console: int = -1
    start: int = -1


class Made(NamedTuple):
    """A process that was made; `spawned_ns` is CLOCK_MONOTONIC."""

    pid: int
    pidfd: int
    spawned_ns: int


class Executor:
    """The process; it ends when its channel closes.

    What it makes are children of this process.

    Args:
        program: its path.
    """

    def __init__(self, program: str) -> None:
        self._channel, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            theirs.set_inheritable(True)  # positional only
            argv = ["executor", str(theirs.fileno())]
            self.pid = os.posix_spawn(program, argv, {})

    def close(self) -> None:
        """End it."""
        self._channel.close()

    def make(
        self,
        program: bytes,
        roles: Roles,
        descriptors: Sequence[tuple[int, int]],
        *,
        options: int = 0,
        owner: int = 0,
        lower: str = "",
        marker: str = "tare",
    ) -> None:
        """Ask for one process; `made` gives the answer, and something may be done meanwhile.

        Args:
            program: as `runtime.plan.steps.encoding.encode` wrote it.
            roles: further descriptors.
            descriptors: number in the workload, number here.
            options: TIMED, UNDUMPABLE, ORPHAN.
            owner: user id to make a user namespace as; 0 for our own.
            lower: directory of the image, from the scratch directory.
            marker: source name of our mounts.

        Raises:
            GoneError: it has ended, and nothing of this request was begun.
        """
        sent: list[int] = []
        fields: list[int | str] = [options, os.getpid(), owner]
        fields += [_add(sent, fd) for fd in roles]
        fields += [lower, marker, len(descriptors)]
        for number, fd in descriptors:
            fields += [number, _add(sent, fd)]
        head = values(fields)
        if len(head) + len(program) <= _INLINE_BYTES:
            self._send((head, program), sent)
            return
        spill = os.memfd_create("tare-request", os.MFD_CLOEXEC)
        try:
            with open(spill, "wb", closefd=False) as file:
                file.write(head)
                file.write(program)
            self._send((b"f",), [spill, *sent])
        finally:
            os.close(spill)

    def made(self) -> Made:
        """The answer to `make`.

        Raises:
            StepError: a step's own preparation failed.
            GoneError: it was killed meanwhile; a process that it has made ends by itself.
            OSError: the kernel refused to make the process.
        """
        space = socket.CMSG_SPACE(_FD)
        try:
            data, ancillary, flags, _ = self._channel.recvmsg(1024, space, socket.MSG_CMSG_CLOEXEC)
        except ConnectionError as error:
            raise GoneError(self.pid) from error
        if not data:
            raise GoneError(self.pid)
        pid, spawned_ns, number, text = _ANSWER.unpack(data)
        if flags & socket.MSG_CTRUNC:
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        pidfd = struct.unpack("=i", ancillary[0][2][:_FD])[0] if ancillary else -1
        if number:
            what = text.partition(b"\0")[0].decode("utf-8", "replace")
            reason = f"{what}: {os.strerror(number)}" if what else os.strerror(number)
            if pidfd >= 0:
                os.close(pidfd)
            if pid < 0 and pidfd < 0:
                raise StepError(-pid - 1, number, reason)
            raise OSError(number, reason)
        return Made(pid, pidfd, spawned_ns)

    def _send(self, parts: Sequence[bytes], fds: Sequence[int]) -> None:
        rights = array.array("i", fds)
        try:
            self._channel.sendmsg(parts, [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)])
        except ConnectionError as error:
            raise GoneError(self.pid) from error


def _add(sent: list[int], fd: int) -> int:
    if fd < 0:
        return -1
    sent.append(fd)
    return len(sent) - 1
