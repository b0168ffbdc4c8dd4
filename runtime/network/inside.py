"""The container's end of a pair: address, routes, up. From outside, without a process.

A namespace is entered by one thread (setns(2)), which makes a netlink socket there, uses it and
ends: no other thread of the harness ever leaves its own namespace, nothing forks, and no thread
has to find its way back. pyroute2's own way (`IPRoute(netns=…)`) forks.
"""

import contextlib
import fcntl
import os
import socket
import threading
from collections.abc import Callable
from pathlib import Path

from runtime.network import links, ports
from runtime.network.errors import NetworkError, explained
from runtime.network.model import Attachment, Bridge

_PERMANENT = 0x80
_OURS = Path("/proc/thread-self/ns/net")
_NS_GET_NSTYPE = 0xB703


def configure(netns: int, attachment: Attachment, bridge: Bridge) -> None:
    """Give the container's interface its address and bring it up.

    The other end has to be up already. The gateway is a permanent neighbour: no other container
    can pretend to be it. Without NAT there is no default route, so that what lies beyond the
    subnet is unreachable at once.

    Args:
        netns: descriptor of the container's network namespace.
        attachment: names and addresses.
        bridge: what it is attached to.

    Raises:
        NetworkError: the kernel refuses.
    """

    def there() -> None:
        with explained(f"configure {attachment.interface} in the container"):
            os.setns(netns, os.CLONE_NEWNET)
            with links.socket_here() as ipr:
                index = socket.if_nametoindex(attachment.interface)
                if unwanted := links.no_link_local():
                    ipr.link("set", index=index, **unwanted)
                ports.without_ipv6(attachment.interface)
                ipr.link("set", index=index, state="up")
                ipr.addr(
                    "add",
                    index=index,
                    address=str(attachment.address.ip),
                    prefixlen=attachment.address.network.prefixlen,
                    broadcast=str(attachment.address.network.broadcast_address),
                )
                ipr.neigh(
                    "add",
                    ifindex=index,
                    dst=str(attachment.gateway),
                    lladdr=bridge.mac,
                    state=_PERMANENT,
                )
                if bridge.nat:
                    ipr.route("add", dst="default", gateway=str(attachment.gateway))
                links.await_up(ipr, index, attachment.interface)

    in_thread(there)


def opened(target: int | os.PathLike[str]) -> int:
    """A descriptor of a network namespace that is not the calling thread's own.

    Args:
        target: process id, or path of the namespace.

    Raises:
        NetworkError: there is none, or it is the host's own.
    """
    path = f"/proc/{target}/ns/net" if isinstance(target, int) else os.fspath(target)
    with explained(f"open the network namespace {path}"):
        netns = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        _check(netns, path)
    except NetworkError:
        os.close(netns)
        raise
    return netns


def _check(netns: int, path: str) -> None:
    with contextlib.suppress(OSError):  # ENOTTY: no namespace at all
        if fcntl.ioctl(netns, _NS_GET_NSTYPE) == os.CLONE_NEWNET:
            ours, theirs = _OURS.stat(), os.fstat(netns)
            if (ours.st_dev, ours.st_ino) != (theirs.st_dev, theirs.st_ino):
                return
            raise NetworkError(
                f"{path} is the host's own network namespace: only what has one of its own can be "
                "attached to a bridge"
            )
    raise NetworkError(f"{path} is no network namespace")


def in_thread[T](work: Callable[[], T]) -> T:
    """Do something in a thread of its own, which may leave its namespace, and return what it gives.

    Raises:
        BaseException: whatever the work raises.
    """
    results: list[T] = []
    failures: list[BaseException] = []

    def guarded() -> None:
        try:
            results.append(work())
        except BaseException as error:  # noqa: BLE001  # raised again by whoever waits
            failures.append(error)

    thread = threading.Thread(target=guarded, name="network-inside")
    thread.start()
    thread.join()
    if failures:
        raise failures[0]
    return results[0]
