"""Network namespaces for tests, one of which stands for the host: no packet leaves them."""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
import struct
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_OWN = "/proc/thread-self/ns/net"
_SIOCSIFFLAGS, _IFF_UP = 0x8914, 1


class Namespace:
    """A network namespace with its loopback up; held by a descriptor alone."""

    def __init__(self) -> None:
        home = os.open(_OWN, os.O_RDONLY | os.O_CLOEXEC)
        os.unshare(os.CLONE_NEWNET)
        try:
            self.fd = os.open(_OWN, os.O_RDONLY | os.O_CLOEXEC)
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as handle:
                fcntl.ioctl(handle, _SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", _IFF_UP))
        finally:
            os.setns(home, os.CLONE_NEWNET)
            os.close(home)

    @property
    def path(self) -> Path:
        """What leads every process that may look into this one to it."""
        return Path(f"/proc/{os.getpid()}/fd/{self.fd}")

    def close(self) -> None:
        os.close(self.fd)

    @contextlib.contextmanager
    def entered(self) -> Iterator[None]:
        """Be there, with this thread and what it starts meanwhile."""
        home = os.open(_OWN, os.O_RDONLY | os.O_CLOEXEC)
        os.setns(self.fd, os.CLONE_NEWNET)
        try:
            yield
        finally:
            os.setns(home, os.CLONE_NEWNET)
            os.close(home)

    def pings(self, address: object) -> bool:
        """Whether one echo request is answered within a second."""
        with self.entered():
            command = ["busybox", "ping", "-c", "1", "-W", "1", str(address)]
            return subprocess.run(command, capture_output=True, check=False).returncode == 0

    def connects(self, other: Namespace, address: object, timeout_s: float = 2) -> str | None:
        """Connect to a server in another namespace; who that takes us for, None if we cannot."""
        with other.entered():
            server = socket.create_server((str(address), 0))
        with server:
            server.settimeout(timeout_s)
            with self.entered():
                client = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
            with client:
                client.settimeout(timeout_s)
                try:
                    client.connect(server.getsockname())
                    accepted, peer = server.accept()
                except OSError:
                    return None
                accepted.close()
        return str(peer[0])


def interfaces() -> set[str]:
    """Names of the interfaces where this thread is, but loopback's."""
    return {name for _, name in socket.if_nameindex()} - {"lo"}
