"""sd_notify(3) from inside a container to whoever started this command by systemd's protocol.

`create` shows the container a directory in which a socket stands once it is started; `start` waits
there for READY=1 and passes it on, with the container's process as the main one.
"""

from __future__ import annotations

import contextlib
import os
import select
import socket

from runtime.cli import sockets
from runtime.errors import SetupError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Self

    from runtime.cli.entry import Entry
    from runtime.spec import Spec

#: Where the container sees the directory.
INSIDE = "/run/notify"
_NAME = "notify.sock"
_VARIABLE = "NOTIFY_SOCKET"
_LONGEST = 4096


def show(spec: Spec, entry: Entry) -> Spec:
    """The specification with the directory in it, where somebody wants to be notified."""
    if not os.environ.get(_VARIABLE):
        return spec
    from dataclasses import replace

    from runtime.spec import Mount

    os.mkdir(entry.notify, 0o755)
    # read-only: what a container put there would stay when it is deleted, and it could exchange the
    # socket. One speaks to a socket on a read-only mount all the same.
    mount = Mount(destination=INSIDE, type="bind", source=entry.notify, options=("bind", "ro"))
    env = {**spec.process.env, _VARIABLE: f"{INSIDE}/{_NAME}"}
    return replace(spec, mounts=(*spec.mounts, mount), process=replace(spec.process, env=env))


class Readiness:
    """The container's side of the protocol, as we serve it; a context manager.

    Args:
        entry: the container, which is about to be started.

    Raises:
        SetupError: the socket cannot be made.
    """

    def __init__(self, entry: Entry) -> None:
        self._pid = entry.record.pid
        self._channel: socket.socket | None = None
        self._path = f"{entry.notify}/{_NAME}"
        if not os.environ.get(_VARIABLE) or not os.path.isdir(entry.notify):
            return
        channel = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            sockets.bind(channel, self._path)
            os.chmod(self._path, 0o777)  # noqa: S103  # any user of the container may
        except OSError as error:
            channel.close()
            raise SetupError(f"make the socket {self._path}", error.strerror or "") from error
        self._channel = channel

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._channel:
            self._channel.close()
            with contextlib.suppress(OSError):
                os.unlink(self._path)
            self._channel = None

    def fileno(self) -> int:
        """Descriptor that can be read when something is said; -1 where nobody wants to know."""
        return self._channel.fileno() if self._channel else -1

    def receive(self) -> bool:
        """Take one message; whether the container is ready, which has been passed on then."""
        assert self._channel is not None
        lines = self._channel.recv(_LONGEST).split(b"\n")
        if b"READY=1" not in lines:
            return False
        name = os.environ[_VARIABLE]
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as outside:
            # "@" stands for the first byte of an abstract address
            outside.connect(f"\0{name[1:]}" if name.startswith("@") else name)
            outside.send(f"READY=1\nMAINPID={self._pid}\n".encode())
        return True

    def wait(self) -> None:
        """Until the container is ready, or has ended.

        Raises:
            SetupError: it cannot be passed on.
        """
        if not self._channel:
            return
        try:
            pidfd = os.pidfd_open(self._pid)
        except ProcessLookupError:
            return
        poll = select.poll()
        poll.register(pidfd, select.POLLIN)
        poll.register(self._channel, select.POLLIN)
        try:
            while pidfd not in (found := [fd for fd, _ in poll.poll()]):
                if found and self.receive():
                    return
        except OSError as error:
            raise SetupError("pass READY=1 on", error.strerror or str(error)) from error
        finally:
            os.close(pidfd)
