"""Choices of a bridge's subnet and of containers' addresses. Pure: knows no kernel."""

import heapq
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface, IPv4Network

from runtime.network.errors import AddressError

#: Set aside for benchmarks of networks (RFC 2544, appendix C.2.2; RFC 6890: not routed globally).
#: Not RFC 1918: a private network that this host reaches by its default route alone shows in no
#: routing table, and a bridge with the same addresses would cut it off.
POOL = IPv4Network("198.18.0.0/15")
#: 1021 containers; a bridge takes 1023 ports (BR_PORT_BITS in net/bridge/br_private.h).
POOL_PREFIX = 22
#: No single network was ever given more than this: a shorter prefix is a default route in
#: disguise, such as the two halves 0.0.0.0/1 and 128.0.0.0/1 that VPNs install.
_WIDEST = 8


@dataclass(frozen=True, slots=True)
class Taken:
    """Addresses that something of this host uses.

    Attributes:
        network: the addresses.
        owner: what uses them, in words.
    """

    network: IPv4Network
    owner: str

    @property
    def by_default(self) -> bool:
        """Whether this is a default route, in disguise or not, which claims no subnet."""
        return self.network.prefixlen < _WIDEST


def candidates() -> Iterator[IPv4Network]:
    """The subnets to try, in order."""
    return POOL.subnets(new_prefix=POOL_PREFIX)


def conflict(subnet: IPv4Network, taken: Iterable[Taken]) -> Taken | None:
    """Whatever uses one of the subnet's addresses; None where it is free."""
    for entry in taken:
        if not entry.by_default and entry.network.overlaps(subnet):
            return entry
    return None


class Allocator:
    """Addresses of one subnet: always the lowest that is free.

    The first address of the subnet is the gateway and is never given. Not safe for threads.
    """

    def __init__(self, subnet: IPv4Network) -> None:
        self.subnet = subnet
        self.gateway = subnet.network_address + 1
        self._first = int(self.gateway) + 1
        self._next = self._first
        self._last = int(subnet.broadcast_address) - 1
        #: All of these lie below `_next`.
        self._released: list[int] = []
        self._used: set[int] = set()

    def take(self) -> IPv4Interface:
        """The lowest free address, with the length of the subnet's prefix.

        Raises:
            AddressError: none is free.
        """
        if self._released:
            number = heapq.heappop(self._released)
        elif self._next <= self._last:
            number = self._next
            self._next += 1
        else:
            raise AddressError(
                f"all {len(self._used)} addresses of {self.subnet} are in use: detach a container, "
                "or give the network a larger subnet"
            )
        self._used.add(number)
        return IPv4Interface((number, self.subnet.prefixlen))

    def release(self, address: IPv4Address) -> None:
        """Give it back.

        Raises:
            AddressError: it was not taken.
        """
        number = int(address)
        if number not in self._used:
            raise AddressError(f"{IPv4Address(number)} of {self.subnet} was not in use")
        self._used.remove(number)
        heapq.heappush(self._released, number)
