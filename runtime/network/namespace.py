"""A network namespace for a network that shall not be the host's: a test's, a benchmark's.

It has neither a name nor a file. The kernel ends it, and every interface in it, with the last
process that is in it and the last descriptor of it, however their owner ended (namespaces(7)).
"""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from runtime.network import links
from runtime.network.errors import explained
from runtime.network.inside import in_thread

_OWN = "/proc/thread-self/ns/net"


class Namespace:
    """A network namespace with its loopback up. A context manager.

    Raises:
        PrivilegeError: this user may not have one.
        NetworkError: the kernel refuses.
    """

    def __init__(self) -> None:
        self._fd = in_thread(_made)

    @property
    def path(self) -> Path:
        """What leads a process that may look into this one to it, e.g. to join it."""
        return Path(f"/proc/{os.getpid()}/fd/{self._fd}")

    @property
    def inode(self) -> int:
        """Its number, as in the link ``/proc/PID/ns/net`` of who is in it."""
        return os.fstat(self._fd).st_ino

    @contextmanager
    def entered(self) -> Iterator[None]:
        """Be there, with this thread alone, and with whatever it starts meanwhile.

        Raises:
            NetworkError: the kernel refuses.
        """
        home = os.open(_OWN, os.O_RDONLY | os.O_CLOEXEC)
        try:
            with explained("enter a network namespace"):
                os.setns(self._fd, os.CLONE_NEWNET)
            try:
                yield
            finally:
                os.setns(home, os.CLONE_NEWNET)
        finally:
            os.close(home)

    def interfaces(self) -> list[str]:
        """Names of the interfaces in it, loopback's included."""

        def listed() -> list[str]:
            with self.entered():
                return [name for _, name in socket.if_nameindex()]

        return in_thread(listed)

    def close(self) -> None:
        """Let go of it; idempotent."""
        if self._fd >= 0:
            os.close(self._fd)
        self._fd = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _made() -> int:
    with explained("make a network namespace"):
        os.unshare(os.CLONE_NEWNET)
        with links.socket_here() as ipr:
            ipr.link("set", index=socket.if_nametoindex("lo"), state="up")
        return os.open(_OWN, os.O_RDONLY | os.O_CLOEXEC)
