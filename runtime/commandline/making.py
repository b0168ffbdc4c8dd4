"""Making a container's first process, or a further one, by an executor of this command's own.

The process is this command's child. When the command has ended it belongs to the nearest subreaper
above, which is what conmon and containerd's shim expect; so no parent's death ends it.
"""

from __future__ import annotations

import contextlib
import os
import socket
import stat
import struct
from array import array
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

from runtime.commandline.conversation import Conversation
from runtime.errors import SetupError, StateError
from runtime.executor import build
from runtime.operations.encoding import encode
from runtime.spawner.executor import ORPHAN, UNDUMPABLE, Executor, Made, Roles
from runtime.spawner.init import sealed_copy

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from runtime.cgroups import Group
    from runtime.operations import Operation
    from runtime.operations.encoding import Program

_LONGEST_SOCKET = 107
_FIRST_PASSED = 3


class Maker:
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

    def make(
        self,
        program: Program,
        roles: Roles,
        descriptors: Mapping[int, int],
    ) -> Made:
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
class Wanted:
    """What goes along with a process.

    Attributes:
        console: path of the socket that its terminal is sent to.
        keep: number of descriptors from 3 on that it gets.
        pid_file: where its id is written.
        terminal: whether it has a terminal.
    """

    console: str | None = None
    keep: int = 0
    pid_file: str | None = None
    terminal: bool = False

    def descriptors(self) -> dict[int, int]:
        """The standard ones and those that are kept, where they are open; gaps are no error."""
        numbers = [0, 1, 2, *range(_FIRST_PASSED, _FIRST_PASSED + self.keep)]
        return {number: number for number in numbers if _is_open(number)}

    def connect(self, stack: ExitStack) -> int:
        """Descriptor of a connection to the console's socket, -1 where none is wanted.

        Raises:
            StateError: a terminal without a socket for it, the reverse, or nobody listens.
        """
        if self.console is None:
            if self.terminal:
                raise StateError(
                    "process.terminal is set and nobody takes the terminal; use --console-socket"
                )
            return -1
        if not self.terminal:
            raise StateError("--console-socket is given and process.terminal is not set")
        channel = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
        try:
            connect(channel, self.console)
        except OSError as error:
            raise StateError(
                f"cannot connect to the console socket {self.console}: {error.strerror}"
            ) from error
        return channel.fileno()

    def write_pid(self, pid: int) -> None:
        """Write the pid file, replaced in one step: digits alone, as its readers expect.

        Raises:
            SetupError: it cannot be written.
        """
        if self.pid_file is None:
            return
        path = Path(self.pid_file)
        part = path.with_name(f".{path.name}.part")
        try:
            part.write_text(str(pid))
            part.replace(path)
        except OSError as error:
            raise SetupError(f"write {path}", error.strerror or str(error)) from error


def settle(group: Group | None, made: Made, talk: Conversation) -> None:
    """Move the process into its group, where it was not born there, and let it go on.

    Raises:
        SetupError: the group refused.
    """
    if group and group.into_fd() < 0:
        try:
            group.attach(made.pid)
        except OSError as error:
            raise SetupError("enter the control group", error.strerror or str(error)) from error
    talk.tell("g")


def converse(plan: Sequence[Operation]) -> Conversation:
    """A conversation with the process that is to carry this plan out."""
    return Conversation(plan)


def listen(path: Path) -> socket.socket:
    """The socket at which a created container waits.

    Raises:
        OSError: it cannot be made.
    """
    channel = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            # a path longer than an address (unix(7)) is reached through its directory
            channel.bind(f"/proc/self/fd/{folder}/{path.name}")
        finally:
            os.close(folder)
        path.chmod(0o600)
        channel.listen(1)
    except OSError:
        channel.close()
        raise
    return channel


def connect(channel: socket.socket, path: str) -> None:
    """Connect to a socket by a path of any length.

    Raises:
        OSError: nobody listens there.
    """
    if len(os.fsencode(path)) <= _LONGEST_SOCKET:
        channel.connect(path)
        return
    folder = os.open(os.path.dirname(path), os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)  # noqa: PTH120
    try:
        channel.connect(f"/proc/self/fd/{folder}/{os.path.basename(path)}")  # noqa: PTH119
    finally:
        os.close(folder)


def send_descriptor(path: str, fd: int) -> None:
    """Send one descriptor to a socket that listens at a path.

    Raises:
        OSError: nobody listens there.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as channel:
        connect(channel, path)
        rights = array("i", [fd])
        channel.sendmsg([b"pidfd"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)])


def receive_descriptor(channel: socket.socket) -> int:
    """The descriptor that comes with the next message."""
    _, ancillary, _, _ = channel.recvmsg(4096, socket.CMSG_SPACE(4), socket.MSG_CMSG_CLOEXEC)
    return int(struct.unpack("=i", ancillary[0][2][:4])[0])


def named_descriptors() -> list[str]:
    """What standard input, output and error are, as /proc says (for checkpointing tools)."""
    found = []
    for number in range(3):
        try:
            found.append(os.readlink(f"/proc/self/fd/{number}"))  # noqa: PTH115
        except OSError:
            found.append("/dev/null")
    return found


def _is_open(number: int) -> bool:
    try:
        return stat.S_IFMT(os.fstat(number).st_mode) != 0
    except OSError:
        return False
