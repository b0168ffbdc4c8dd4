"""Who the container is: keyring, host name, loopback, ids."""

from __future__ import annotations

import _socket
import errno
import fcntl
import os
import struct
from typing import TYPE_CHECKING, NamedTuple

from runtime import syscalls

if TYPE_CHECKING:
    from runtime.operations.context import Context

_SIOCSIFFLAGS = 0x8914
_IFF_UP = 1


class NewKeyring(NamedTuple):
    """A session keyring of its own: keys of whoever started the harness stay outside."""

    def describe(self) -> str:
        return "make a new session keyring"

    def apply(self, context: Context) -> None:
        try:
            syscalls.join_session_keyring()
        except OSError as error:
            if error.errno == errno.ENOSYS:  # a kernel without keys has none to show
                return
            if error.errno == errno.EDQUOT:
                raise OSError(
                    errno.EDQUOT,
                    "the quota of keys is used up, and the container would keep the host's "
                    "keyring; see /proc/key-users and /proc/sys/kernel/keys/root_maxkeys",
                ) from error
            raise


class LoopbackUp(NamedTuple):
    """Bring lo up in the new network namespace: one ioctl; the `ip` program would cost 2 ms."""

    def describe(self) -> str:
        return "bring the loopback interface up"

    def apply(self, context: Context) -> None:
        handle = _socket.socket(_socket.AF_INET, _socket.SOCK_DGRAM | _socket.SOCK_CLOEXEC)
        try:
            fcntl.ioctl(handle.fileno(), _SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", _IFF_UP))
        finally:
            handle.close()


class SetHostname(NamedTuple):
    """The name that the container's processes see."""

    name: str

    def describe(self) -> str:
        return f"set the host name to {self.name!r}"

    def apply(self, context: Context) -> None:
        import socket  # loaded already: wire.py needs it

        socket.sethostname(self.name)


class BecomeRoot(NamedTuple):
    """Take id 0 of the new user namespace: until then files cannot be made (EOVERFLOW)."""

    def describe(self) -> str:
        return "become root of the user namespace"

    def apply(self, context: Context) -> None:
        os.setgroups(())
        os.setresgid(0, 0, 0)
        os.setresuid(0, 0, 0)
        syscalls.prctl(syscalls.PR_SET_PDEATHSIG, 9)  # the change of ids has cleared it


class SetUser(NamedTuple):
    """The ids the workload runs under."""

    uid: int
    gid: int
    groups: tuple[int, ...]

    def describe(self) -> str:
        return f"become user {self.uid}, group {self.gid}"

    def apply(self, context: Context) -> None:
        os.setgroups(self.groups)
        os.setresgid(self.gid, self.gid, self.gid)
        os.setresuid(self.uid, self.uid, self.uid)
