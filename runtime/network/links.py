"""The interfaces on the host's side, by rtnetlink: the bridge, and the pairs that are its ports.

Every function takes pyroute2's IPRoute of the host's namespace and runs in a thread that is there.
"""

import errno
import socket
import time
from collections.abc import Callable
from functools import cache
from ipaddress import IPv4Address
from typing import Any

from runtime.network import names, ports
from runtime.network.errors import NetworkError, explained
from runtime.network.model import Attachment, Bridge
from runtime.network.survey import forwarding

_PERMANENT, _NOARP = 0x80, 0x40
_MASTER = 0x04
#: The link watch works off what is not urgent once a second (net/core/link_watch.c).
_UP_S, _POLL_S = 5.0, 0.001
_GONE = {errno.ENODEV, errno.ENOENT, errno.ESRCH}


def socket_here() -> Any:
    """An IPRoute in the namespace of the calling thread, which alone may use it.

    No multicast groups: nobody reads what they would fill its buffer with.
    """
    from pyroute2 import IPRoute  # takes as long as many containers take to start

    return IPRoute(groups=0, ext_ack=True)


@cache
def no_link_local() -> dict[str, Any]:
    """Attributes that keep the kernel from giving an interface an IPv6 address by itself.

    Empty where the kernel has no IPv6.
    """
    try:
        socket.socket(socket.AF_INET6, socket.SOCK_DGRAM).close()
    except OSError:
        return {}
    none = {"attrs": [("IFLA_INET6_ADDR_GEN_MODE", 1)]}
    return {"IFLA_AF_SPEC": {"attrs": [("AF_INET6", none)]}}


def make_bridge(ipr: Any, name: str) -> int:
    """Make a bridge, down and without an IP address; its index.

    The link-layer address it is born with is not the last, but one: an interface that has none is
    given one by udev, at a time of its own choice (MACAddressPolicy= in systemd.link(5)).

    Raises:
        PrivilegeError: it is not for this user.
        NetworkError: the kernel refuses, e.g. since there is an interface of that name.
    """
    with explained(f"make the bridge {name}"):
        ipr.link("add", kind="bridge", ifname=name, address=names.first_mac(name))
        return socket.if_nametoindex(name)


def raise_bridge(ipr: Any, index: int, bridge: Bridge, engine: str) -> None:
    """Bring the bridge up, with a link-layer address that does not follow its ports'.

    Its own forwarding switch is set, whatever the host's default is; the host's others are not
    ours.

    Raises:
        NetworkError: the kernel refuses.
    """
    ports.without_ipv6(bridge.name)
    with explained(f"bring the bridge {bridge.name} up"):
        ipr.link(
            "set",
            index=index,
            ifalias=engine,
            address=bridge.mac,
            mtu=bridge.mtu,
            state="up",
            **no_link_local(),
        )
    switch = forwarding(bridge.name)
    with explained(f"write {switch}"):
        switch.write_text(str(int(bridge.nat)))


def make_pair(ipr: Any, bridge_index: int, attachment: Attachment, *, netns: int, mtu: int) -> int:
    """Make a veth pair, one end a port of the bridge, the other in the namespace; both down.

    Born where it belongs, since moving an interface costs an RCU grace period.

    Args:
        ipr: of the host.
        bridge_index: of the bridge.
        attachment: names and addresses.
        netns: descriptor of the container's network namespace.
        mtu: in bytes.

    Returns:
        The index of the host's end.

    Raises:
        NetworkError: the kernel refuses, e.g. since the namespace has such an interface already.
    """
    name = attachment.host_interface
    with explained(f"make {name} and its other end {attachment.interface} in the container"):
        ipr.link(
            "add",
            kind="veth",
            ifname=name,
            address=names.outside_mac(attachment.address.ip),
            mtu=mtu,
            master=bridge_index,
            peer={
                "ifname": attachment.interface,
                "address": attachment.mac,
                "mtu": mtu,
                "net_ns_fd": netns,
            },
        )
        return socket.if_nametoindex(name)


def open_port(ipr: Any, bridge_index: int, index: int, attachment: Attachment, engine: str) -> None:
    """Let the port carry the container's own frames, and bring it up.

    It is locked to the container's link-layer address (bridge(8), from Linux 5.18; older kernels
    ignore it): the bridge learns nothing, floods no unicast, and drops frames that claim to come
    from somebody else. The host's neighbour entry is permanent, which no forged ARP changes.

    Raises:
        NetworkError: the kernel refuses.
    """
    name = attachment.host_interface
    ports.without_ipv6(name)
    with explained(f"bring the port {name} up"):
        ipr.fdb("add", ifindex=index, lladdr=attachment.mac, state=_NOARP, flags=_MASTER)
        ipr.neigh(
            "replace",
            ifindex=bridge_index,
            dst=str(attachment.address.ip),
            lladdr=attachment.mac,
            state=_PERMANENT,
        )
        ipr.link(
            "set",
            index=index,
            ifalias=engine,
            kind="bridge_slave",
            locked=1,
            learning=0,
            unicast_flood=0,
            isolated=int(attachment.isolated),
            **no_link_local(),
        )
        # apart, for the kernel does what that message says only after it has brought a link up
        ipr.link("set", index=index, state="up")


def await_up(ipr: Any, index: int, name: str) -> None:
    """Wait until the interface carries packets.

    Bringing a link up returns before the kernel's link watch has given it a queue, and a bridge
    has opened the port; what is sent until then is lost, and TCP sends again after a second. Since
    Linux 6.7 the question itself makes the kernel catch up (linkwatch_sync_dev in rtnl_getlink).

    Raises:
        NetworkError: it does not come up.
    """
    deadline = time.monotonic() + _UP_S
    with explained(f"ask for {name}"):
        while (state := ipr.link("get", index=index)[0].get_attr("IFLA_OPERSTATE")) != "UP":
            if time.monotonic() > deadline:
                raise NetworkError(
                    f"{name} does not come up within {_UP_S:g} s (it is {state}); is its other end "
                    "gone?"
                )
            time.sleep(_POLL_S)


def remove_link(ipr: Any, name: str) -> bool:
    """Remove an interface; whether it was there.

    Raises:
        NetworkError: the kernel refuses.
    """
    try:
        index = socket.if_nametoindex(name)
    except OSError:  # that there is none is all this call can say; it sets no number
        return False
    return _removed(f"remove {name}", lambda: ipr.link("del", index=index))


def forget_neighbour(ipr: Any, bridge_index: int, address: IPv4Address) -> None:
    """Drop the host's neighbour entry; nothing happens where there is none.

    Raises:
        NetworkError: the kernel refuses.
    """
    _removed(
        f"forget the neighbour {address}",
        lambda: ipr.neigh("del", ifindex=bridge_index, dst=str(address)),
    )


def _removed(what: str, request: Callable[[], object]) -> bool:
    """Ask for a removal; False where it is gone already, e.g. with the container's namespace."""
    try:
        with explained(what):
            request()
    except NetworkError as error:
        if error.errno not in _GONE:
            raise
        return False
    return True
