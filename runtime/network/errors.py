"""The exceptions that networking raises.

NetworkError             one step failed; names it and the interface
├── AddressError         no free subnet or address, or one that is taken already
├── NatError             libnftables is missing, or it or the kernel refuses the rules
└── PrivilegeError       bridges on this host are not for this user
"""

import errno as numbers
import os
from collections.abc import Iterator
from contextlib import contextmanager

from runtime.errors import ContainerError


class NetworkError(ContainerError):
    """A step of making, attaching or removing failed.

    Attributes:
        errno: the kernel's number, 0 where none applies.
    """

    def __init__(self, sentence: str, errno: int = 0) -> None:
        super().__init__(sentence)
        self.errno = errno


class AddressError(NetworkError):
    """No free subnet or address, or one that is taken already."""


class NatError(NetworkError):
    """libnftables is missing, or it or the kernel refuses the rules."""


class PrivilegeError(NetworkError):
    """Bridges on this host are not for this user."""


@contextmanager
def explained(what: str) -> Iterator[None]:
    """Turn what the kernel says while we `what` into one sentence.

    Raises:
        PrivilegeError: it says EPERM or EACCES.
        NetworkError: it says anything else.
    """
    from pyroute2.netlink.exceptions import NetlinkError

    try:
        yield
    except NetlinkError as error:
        raise _error(what, error.code, str(error.args[1])) from error
    except OSError as error:
        raise _error(what, error.errno or 0, error.strerror or str(error)) from error


def _error(what: str, number: int, reason: str) -> NetworkError:
    if number in {numbers.EPERM, numbers.EACCES}:
        return PrivilegeError(
            f"cannot {what}: {os.strerror(number)}; a bridge takes CAP_NET_ADMIN and CAP_SYS_ADMIN "
            "over this host's network namespace, which root has and a user namespace does not "
            "give; run as root, or let the container have no network but its loopback, share the "
            "host's, or join a namespace that somebody with these privileges made",
            number,
        )
    return NetworkError(f"cannot {what}: {reason}", number)
