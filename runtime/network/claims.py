"""Claims of subnets, so that no two engines, and no engine and its host, get the same.

The lock is the kernel's: a subnet belongs to the bridge that has the name of it
(`names.claim`), which no second interface of the namespace can have, and which goes with the
bridge, however its owner ended.
"""

import errno
import socket
from collections.abc import Iterable
from ipaddress import IPv4Network
from typing import Any

from runtime.network import names
from runtime.network.addresses import POOL, Allocator, Taken, candidates, conflict
from runtime.network.errors import AddressError, NetworkError, explained
from runtime.network.survey import survey


def claim(ipr: Any, index: int, wanted: IPv4Network | None, taken: Iterable[Taken]) -> IPv4Network:
    """Give the bridge with this index a subnet and, in it, the gateway's address.

    Args:
        ipr: pyroute2's IPRoute, in the host's namespace.
        index: of the bridge.
        wanted: the one subnet to try; where it is None, the pool's in their order.
        taken: what the host uses.

    Raises:
        AddressError: it is taken, or no subnet of the pool is free.
        NetworkError: the kernel refuses.
    """
    owner = None
    for subnet in candidates() if wanted is None else [wanted]:
        owner = conflict(subnet, taken) or _try(ipr, index, subnet)
        if owner is None:
            return subnet
    if wanted is not None and owner is not None:
        raise AddressError(
            f"{wanted} is taken by {owner.owner} ({owner.network}); give the network another "
            "subnet, or none and let it choose"
        )
    raise AddressError(
        f"every subnet of {POOL} is taken on this host; end other engines, run 'tare clean', "
        "or give the network a subnet"
    )


def _try(ipr: Any, index: int, subnet: IPv4Network) -> Taken | None:
    """Claim it; whoever else has it, None where we have it now."""
    name = names.claim(subnet)
    try:
        with explained(f"claim {subnet}"):
            ipr.link("property_add", index=index, altname=name)
    except NetworkError as error:
        if error.errno != errno.EEXIST:
            raise
        return Taken(subnet, "the bridge of another engine")
    address = {
        "index": index,
        "family": socket.AF_INET,
        "address": str(Allocator(subnet).gateway),
        "prefixlen": subnet.prefixlen,
    }
    with explained(f"give the bridge an address of {subnet}"):
        ipr.addr("add", broadcast=str(subnet.broadcast_address), **address)
    # Somebody with a subnet of another size, which the name does not keep out, may have looked
    # when we did. Whoever looks last sees the other; where both do, both let go.
    owner = conflict(subnet, survey(ipr, without=index).taken)
    if owner is not None:
        with explained(f"let go of {subnet}"):
            ipr.addr("del", **address)
            ipr.link("property_del", index=index, altname=name)
    return owner
