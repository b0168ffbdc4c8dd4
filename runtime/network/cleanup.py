"""Removal of what the network of a killed engine left behind.

Only in the network namespace of the calling thread, which is where the engine's bridge was unless
somebody moved. Nothing is removed that does not carry the engine's name: see `names`.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from runtime.network import links, names, nat, nftables
from runtime.network.errors import explained
from runtime.network.survey import dumped

_CAP_NET_ADMIN = 12


def leftovers(engine: str) -> list[str]:
    """What is there of this engine's network, in words; changes nothing.

    Args:
        engine: its name; it must have ended, or this is what it uses.

    Raises:
        NetworkError: this is no engine's name, or the kernel refuses.
    """
    with links.socket_here() as ipr:
        ports, bridge = _links(ipr, engine)
    found = [f"interface {name}" for name in ports]
    if _may_look():
        found += [_table(family, engine) for family in nat.existing(engine)]
    return found + [f"bridge {name}" for name in bridge]


def remove(engine: str) -> list[str]:
    """Remove it, in the reverse of the order it was made in; what was removed, in words.

    Raises:
        NetworkError: this is no engine's name, or something resists.
    """
    removed = []
    with links.socket_here() as ipr:
        ports, bridge = _links(ipr, engine)
        removed += [f"interface {name}" for name in ports if links.remove_link(ipr, name)]
        if _may_look():
            removed += [_table(family, engine) for family in nat.remove(engine)]
        removed += [f"bridge {name}" for name in bridge if links.remove_link(ipr, name)]
    return removed


def _table(family: str, engine: str) -> str:
    return f"nftables table {family} {names.table(engine)}"


def _links(ipr: Any, engine: str) -> tuple[list[str], list[str]]:
    """Names of the engine's ports, and of its bridge."""
    bridge, prefix = names.bridge(engine), names.veth_prefix(engine)
    index = None
    pairs: list[tuple[str, int | None, str | None]] = []
    with explained("list this host's interfaces"):
        for name, kind, message in _made(ipr):
            alias = message.get_attr("IFLA_IFALIAS")
            if kind == "bridge" and name == bridge and alias in {None, "", engine}:
                index = message["index"]
            elif kind == "veth" and name.startswith(prefix):
                pairs.append((name, message.get_attr("IFLA_MASTER"), alias))
    # killed between making a pair and giving it its alias, an engine leaves a port of its bridge
    ports = [
        name
        for name, master, alias in pairs
        if alias == engine or (not alias and index is not None and master == index)
    ]
    return ports, [] if index is None else [bridge]


def _made(ipr: Any) -> Iterator[tuple[str, str | None, Any]]:
    """Every interface: its name, what kind of virtual device it is, the kernel's message."""
    for message in dumped(ipr.get_links):
        info = message.get_attr("IFLA_LINKINFO")
        kind = info.get_attr("IFLA_INFO_KIND") if info else None
        yield message.get_attr("IFLA_IFNAME"), kind, message


def _may_look() -> bool:
    """Whether this process could have made a table, or could see one."""
    status = Path("/proc/thread-self/status").read_text()
    effective = int(status.partition("CapEff:")[2].split(maxsplit=1)[0], 16)
    return bool(effective >> _CAP_NET_ADMIN & 1) and not nftables.absent()
