"""A bridge for the containers of one engine: veth pairs, addresses, NAT.

Names are looked up when first used: pyroute2 alone takes longer to import than a container takes to
start, and is read only where a bridge is asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from runtime.network.choice import host, join, none
    from runtime.network.cleanup import leftovers, remove
    from runtime.network.errors import AddressError, NatError, NetworkError, PrivilegeError
    from runtime.network.model import Attachment, Bridge, Reservation
    from runtime.network.namespace import Namespace
    from runtime.network.network import Network

_HOME = {
    "AddressError": "errors",
    "Attachment": "model",
    "Bridge": "model",
    "Namespace": "namespace",
    "NatError": "errors",
    "Network": "network",
    "NetworkError": "errors",
    "PrivilegeError": "errors",
    "Reservation": "model",
    "host": "choice",
    "join": "choice",
    "leftovers": "cleanup",
    "none": "choice",
    "remove": "cleanup",
}

__all__ = [
    "AddressError",
    "Attachment",
    "Bridge",
    "Namespace",
    "NatError",
    "Network",
    "NetworkError",
    "PrivilegeError",
    "Reservation",
    "host",
    "join",
    "leftovers",
    "none",
    "remove",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'runtime.network' has no attribute {name!r}")
    value = getattr(import_module(f"runtime.network.{_HOME[name]}"), name)
    globals()[name] = value
    return value
