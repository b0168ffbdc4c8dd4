"""A survey of the host's network as its kernel tells it by netlink; changes nothing."""

import socket
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

from runtime.network.addresses import Taken
from runtime.network.errors import NetworkError, explained

_CONF = Path("/proc/sys/net/ipv4/conf")
_UNICAST = 1
_DUMP_INTERRUPTED = 0x10  # NLM_F_DUMP_INTR, netlink(7)
_READINGS = 20
#: What Ethernet carries (RFC 894); for hosts that lead nowhere.
_DEFAULT_MTU = 1500


@dataclass(frozen=True, slots=True)
class Uplink:
    """An interface that a default route leaves by.

    Attributes:
        name: of the interface.
        mtu: in bytes.
        forwards: whether packets that come in by it are passed on.
    """

    name: str
    mtu: int
    forwards: bool


@dataclass(frozen=True, slots=True)
class Survey:
    """The host's addresses, routes and ways out.

    Attributes:
        taken: every address and route of IPv4 in every table, our own excepted.
        uplinks: in the order of the routes; empty where the host leads nowhere.
    """

    taken: tuple[Taken, ...]
    uplinks: tuple[Uplink, ...]

    @property
    def mtu(self) -> int:
        """The largest packet in bytes that every way out takes."""
        return min((uplink.mtu for uplink in self.uplinks), default=_DEFAULT_MTU)


def dumped(ask: Callable[[], Iterable[Any]]) -> list[Any]:
    """All that a request for a list returns, as it was at one moment.

    The kernel flags a list that changed while it was read, from which entries may be missing;
    pyroute2 does not look at the flag.

    Raises:
        NetworkError: it keeps changing.
    """
    for _ in range(_READINGS):
        messages = list(ask())
        if not any(message["header"]["flags"] & _DUMP_INTERRUPTED for message in messages):
            return messages
    raise NetworkError(
        "this host's interfaces or routes change faster than they can be read; try again when it "
        "is quieter"
    )


def survey(ipr: Any, *, without: int = 0) -> Survey:
    """Ask the kernel.

    Args:
        ipr: pyroute2's IPRoute.
        without: index of an interface whose addresses and routes are left out.

    Raises:
        NetworkError: the kernel refuses.
    """
    with explained("ask for this host's addresses and routes"):
        taken = [*_addresses(ipr, without)]
        ways_out: dict[int, None] = {}
        for message in dumped(lambda: ipr.get_routes(family=socket.AF_INET)):
            exits = _exits(message)
            if exits == [without]:
                continue
            network = _network(message.get_attr("RTA_DST") or "0.0.0.0", message["dst_len"])  # noqa: S104  # a route
            entry = Taken(network, f"a route of table {message.get_attr('RTA_TABLE')}")
            if not entry.by_default:
                taken.append(entry)
            elif message["type"] == _UNICAST:
                ways_out.update(dict.fromkeys(exits))
        return Survey(tuple(taken), tuple(_uplinks(ipr, ways_out)))


def forwarding(interface: str) -> Path:
    """The file that says whether packets which come in by the interface are passed on.

    The kernel asks the interface a packet came in by, and neither the one it leaves by nor
    net.ipv4.ip_forward, which but sets all of them at once (ip_route_input_slow in
    net/ipv4/route.c, inet_forward_change in net/ipv4/devinet.c).
    """
    return _CONF / interface / "forwarding"


def _addresses(ipr: Any, without: int) -> Iterator[Taken]:
    """The host's addresses, those of interfaces that are down included, which have no routes."""
    for message in dumped(lambda: ipr.get_addr(family=socket.AF_INET)):
        if message["index"] != without:
            network = _network(message.get_attr("IFA_ADDRESS"), message["prefixlen"])
            yield Taken(network, f"an address of {message.get_attr('IFA_LABEL')}")


def _exits(message: Any) -> list[int]:
    """Indices of the interfaces that a route leaves by."""
    if (index := message.get_attr("RTA_OIF")) is not None:
        return [index]
    return [hop["oif"] for hop in message.get_attr("RTA_MULTIPATH") or ()]


def _uplinks(ipr: Any, indices: Iterable[int]) -> Iterator[Uplink]:
    for index in indices:
        for link in ipr.link("get", index=index):
            name = link.get_attr("IFLA_IFNAME")
            yield Uplink(
                name, link.get_attr("IFLA_MTU"), forwarding(name).read_text().strip() != "0"
            )


def _network(address: str, length: int) -> IPv4Network:
    return IPv4Network((address, length), strict=False)
