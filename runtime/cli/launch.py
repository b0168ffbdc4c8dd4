"""The launch of a container's first process, or a further one, by a command's own executor.

The process is this command's child. When the command has ended it belongs to the nearest subreaper
above, which is what conmon and containerd's shim expect; so no parent's death ends it.
"""

from __future__ import annotations

import contextlib
import os
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from runtime.cli import sockets
from runtime.cli.conversation import Conversation
from runtime.errors import SetupError, StateError
from runtime.executor import build
from runtime.plan.steps.encoding import encode
from runtime.spawner.executor import ORPHAN, UNDUMPABLE, Executor, Made, Roles
from runtime.spawner.init import sealed_copy

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from contextlib import ExitStack

    from runtime.cgroups import Group
    from runtime.plan.steps import Operation
    from runtime.plan.steps.encoding import Program

#: A message carries 253 descriptors (unix(7)), and some of them are ours.
MOST_KEPT = 200
_FIRST_PASSED = 3


class Launcher:
    """The executor, for one command; a context manager."""

    def __enter__(self) -> Self:
        copy = sealed_copy(str(build()), "executor")
        try:
            self._executor = Executor(f"/proc/self/fd/{copy}")
        finally:
            os.close(copy)
        return self

    def __exit__(self, *_: object) -> None:
        self._executor.close()
        with contextlib.suppress(ChildProcessError):
            os.waitpid(self._executor.pid, 0)

    def make(self, program: Program, roles: Roles, descriptors: Mapping[int, int]) -> Made:
        """Make the process; it carries out its plan meanwhile.

        Args:
            program: what it is to do.
            roles: descriptors for that.
            descriptors: number in the workload to number here.

        Raises:
            SetupError: the kernel refused.
        """
        options = ORPHAN
        if not (program.uid_map or program.gid_map):
            options |= UNDUMPABLE
        try:
            self._executor.make(encode(program), roles, list(descriptors.items()), options=options)
            return self._executor.made()
        except OSError as error:
            step = getattr(error, "step", -1)
            what = program.steps[step].describe() if step >= 0 else "make the process"
            raise SetupError(what, error.strerror or str(error), error.errno or 0) from error


@dataclass
class ProcessOptions:
    """What goes along with a process.

    Attributes:
        console: path of the socket that its terminal is sent to.
        console_channel: the same, connected already.
        keep: number of descriptors from 3 on that it gets.
        pid_file: where its id is written.
        pidfd_socket: path of the socket that a pidfd of it is sent to.
        terminal: whether it has a terminal.
    """

    console: str | None = None
    console_channel: socket.socket | None = None
    keep: int = 0
    pid_file: str | None = None
    pidfd_socket: str | None = None
    terminal: bool = False

    def check(self) -> None:
        """Refuse what cannot be.

        Raises:
            StateError: a terminal that nobody takes, or the reverse.
        """
        taken = self.console is not None or self.console_channel is not None
        if self.terminal and not taken:
            raise StateError(
                "process.terminal is set and nobody takes the terminal; use --console-socket"
            )
        if taken and not self.terminal:
            raise StateError("--console-socket is given and process.terminal is not set")

    def descriptors(self) -> dict[int, int]:
        """The standard ones and those that are kept, where they are open; gaps are no error."""
        numbers = [0, 1, 2, *range(_FIRST_PASSED, _FIRST_PASSED + self.keep)]
        return {number: number for number in numbers if _is_inherited(number)}

    def connect(self, stack: ExitStack) -> int:
        """Descriptor of a connection to the console's socket, -1 where none is wanted.

        Raises:
            StateError: nobody listens there.
        """
        if self.console_channel:
            return self.console_channel.fileno()
        if self.console is None:
            return -1
        channel = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
        try:
            sockets.connect(channel, self.console)
        except OSError as error:
            raise StateError(
                f"cannot connect to the console socket {self.console}: {error.strerror}"
            ) from error
        return channel.fileno()

    def send_pidfd(self, pidfd: int) -> None:
        """Send a pidfd of the process to who wants it.

        Raises:
            SetupError: nobody listens there.
        """
        if self.pidfd_socket is None:
            return
        try:
            sockets.send_descriptor(self.pidfd_socket, pidfd, b"pidfd")
        except OSError as error:
            reason = error.strerror or str(error)
            raise SetupError(f"send a pidfd to {self.pidfd_socket}", reason) from error

    def write_pid(self, pid: int) -> None:
        """Write the pid file, replaced in one step: digits alone, as its readers expect.

        Raises:
            SetupError: it cannot be written.
        """
        if self.pid_file is None:
            return
        folder, name = os.path.split(self.pid_file)
        part = os.path.join(folder, f".{name}.{os.getpid()}")
        try:
            write_file(part, str(pid).encode(), 0o644)
            os.replace(part, self.pid_file)
        except OSError as error:
            reason = error.strerror or str(error)
            raise SetupError(f"write {self.pid_file}", reason, error.errno or 0) from error


def write_file(path: str, data: bytes, mode: int = 0o600) -> None:
    """Write a file.

    Raises:
        OSError: it cannot be written.
    """
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, mode)
    with os.fdopen(fd, "wb") as file:
        file.write(data)


def enter_group(group: Group | None, made: Made, talk: Conversation) -> None:
    """Move the process into its group, where it was not born there, and let it go on.

    Raises:
        SetupError: the group refused.
    """
    if group and group.into_fd() < 0:
        try:
            group.attach(made.pid)
        except OSError as error:
            reason = error.strerror or str(error)
            raise SetupError("enter the control group", reason, error.errno or 0) from error
    talk.tell("g")


def converse(plan: Sequence[Operation]) -> Conversation:
    """A conversation with the process that is to carry this plan out."""
    return Conversation(lambda: plan)


def listen_for_start(path: str) -> socket.socket:
    """The socket at which a created container waits.

    Raises:
        SetupError: it cannot be made.
    """
    channel = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        sockets.bind(channel, path)
        channel.listen(1)
    except OSError as error:
        channel.close()
        raise SetupError(f"make the socket {path}", error.strerror or str(error)) from error
    return channel


def named_descriptors() -> list[str]:
    """What standard input, output and error are, as /proc says (for checkpointing tools)."""
    found = []
    for number in range(3):
        try:
            found.append(os.readlink(f"/proc/self/fd/{number}"))
        except OSError:
            found.append("/dev/null")
    return found


def _is_inherited(number: int) -> bool:
    """Whether it was open when this command began: what we have made ourselves is not inherited."""
    try:
        return os.get_inheritable(number)
    except OSError:
        return False
