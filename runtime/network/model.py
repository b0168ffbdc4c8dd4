"""A network's parts as values: bridge, attachments, reservations."""

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface, IPv4Network

from runtime.network.errors import AddressError, NetworkError

#: Least that IPv4 works with (RFC 791), and the most that a veth device takes.
_MTU_MIN, _MTU_MAX = 68, 65535
#: A veth is numbered by four hexadecimal digits; a subnet needs room for more than the gateway.
_PREFIX_MIN, _PREFIX_MAX = 16, 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Bridge:
    """A bridge of this host that containers are attached to.

    Attributes:
        name: of the interface.
        subnet: addresses of the containers and of the bridge itself.
        gateway: address of the bridge.
        mac: link-layer address of the bridge.
        mtu: largest packet in bytes, of the bridge and all its ports.
        nat: whether containers reach beyond this host under its addresses.

    Raises:
        AddressError: the subnet is too large or too small, or the gateway is none of its hosts.
        NetworkError: IPv4 does not work with this MTU.
    """

    name: str
    subnet: IPv4Network
    gateway: IPv4Address
    mac: str
    mtu: int
    nat: bool

    def __post_init__(self) -> None:
        check_subnet(self.subnet)
        if self.gateway not in self.subnet or self.gateway in ends(self.subnet):
            raise AddressError(f"the gateway {self.gateway} is no host of {self.subnet}")
        check_mtu(self.mtu)


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """One container on a bridge.

    Attributes:
        address: of the container, with the length of the subnet's prefix.
        gateway: of the bridge, by which the container reaches the host and, with NAT, all else.
        interface: name inside the container.
        mac: link-layer address inside.
        host_interface: name of the other end on the host.
        isolated: whether it reaches the host alone and no other isolated container.
    """

    address: IPv4Interface
    gateway: IPv4Address
    interface: str
    mac: str
    host_interface: str
    isolated: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Reservation:
    """An address on a bridge for what somebody else connects, such as a guest by its tap device.

    Attributes:
        address: with the length of the subnet's prefix.
        gateway: of the bridge.
        mac: link-layer address that goes with it, so that an address given again keeps its own.
    """

    address: IPv4Interface
    gateway: IPv4Address
    mac: str


def check_subnet(subnet: IPv4Network) -> None:
    """Refuse a subnet that cannot serve a bridge.

    Raises:
        AddressError: it is too large, too small, or no unicast addresses.
    """
    if not _PREFIX_MIN <= subnet.prefixlen <= _PREFIX_MAX:
        raise AddressError(
            f"{subnet} cannot be a bridge's subnet: choose one from /{_PREFIX_MIN} to "
            f"/{_PREFIX_MAX}"
        )
    if subnet.is_multicast or subnet.is_loopback or subnet.is_reserved or subnet.is_unspecified:
        raise AddressError(
            f"{subnet} cannot be a bridge's subnet: it is no unicast range; choose a private one "
            "(RFC 1918)"
        )


def check_mtu(mtu: int) -> None:
    """Refuse a size that no bridge can have.

    Raises:
        NetworkError: likewise.
    """
    if not _MTU_MIN <= mtu <= _MTU_MAX:
        raise NetworkError(
            f"the MTU cannot be {mtu} bytes: choose between {_MTU_MIN} and {_MTU_MAX}"
        )


def ends(subnet: IPv4Network) -> tuple[IPv4Address, IPv4Address]:
    """The two addresses of a subnet that no host can have."""
    return subnet.network_address, subnet.broadcast_address
