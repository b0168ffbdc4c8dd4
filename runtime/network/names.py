"""Names from which alone can be told what an engine made.

An interface name has at most 15 bytes (IFNAMSIZ), an engine's name 17. The bridge carries all of
the engine's twelve digits; a veth the first nine, and all of them in its alias. The nftables table
has the engine's name itself.
"""

import re
from ipaddress import IPv4Address, IPv4Network

from runtime.network.errors import NetworkError

_ENGINE = re.compile(r"tare-([0-9a-f]{12})")
#: What the kernel takes as the name of an interface (dev_valid_name), less what shells dislike.
_INTERFACE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,14}")
_VETH_DIGITS = 9
#: All bridges begin with it.
PREFIX = "tr"
#: First byte of link-layer addresses: locally administered, unicast (IEEE 802).
_INSIDE, _OUTSIDE = 0x02, 0x06


def bridge(engine: str) -> str:
    """Name of the engine's bridge.

    Raises:
        NetworkError: this is no engine's name.
    """
    return f"{PREFIX}{_digits(engine)}"


def veth(engine: str, number: int) -> str:
    """Name of the host's end of a container's veth pair; the number is below 65536."""
    return f"{veth_prefix(engine)}{number:04x}"


def veth_prefix(engine: str) -> str:
    """What the host's ends of all veth pairs of the engine begin with.

    Two engines can share it, at odds of one in 2^36: it proves nothing without the alias.
    """
    return f"tv{_digits(engine)[:_VETH_DIGITS]}"


def table(engine: str) -> str:
    """Name of the engine's nftables table, of the family ip."""
    _digits(engine)
    return engine


def claim(subnet: IPv4Network) -> str:
    """Alternative name of the bridge that has this subnet.

    The kernel lets no two interfaces of a network namespace have the same name: who has this one
    has the subnet, and loses it with the bridge.
    """
    return f"tare-{subnet.network_address}-{subnet.prefixlen}"


def inside_mac(address: IPv4Address) -> str:
    """Link-layer address of whoever has this address: a container, or the bridge."""
    return _mac(_INSIDE, address)


def outside_mac(address: IPv4Address) -> str:
    """Link-layer address of the host's end of the pair of the container with this address."""
    return _mac(_OUTSIDE, address)


def first_mac(bridge: str) -> str:
    """Link-layer address that a bridge is born with, before it has a subnet."""
    number = int(bridge[-8:], 16)
    return ":".join(f"{byte:02x}" for byte in (_OUTSIDE, 0xFF, *number.to_bytes(4)))


def check_interface(name: str) -> None:
    """Refuse a name that no interface can have.

    Raises:
        NetworkError: likewise.
    """
    if not _INTERFACE.fullmatch(name):
        raise NetworkError(
            f"{name!r} cannot be an interface: use up to 15 letters, digits, _ . and -"
        )


def _mac(first: int, address: IPv4Address) -> str:
    return ":".join(f"{byte:02x}" for byte in (first, 0, *address.packed))


def _digits(engine: str) -> str:
    match = _ENGINE.fullmatch(engine)
    if match is None:
        raise NetworkError(f"{engine!r} is no engine's name: tare- and twelve hexadecimal digits")
    return match[1]
