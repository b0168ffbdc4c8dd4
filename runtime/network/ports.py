"""What a port of the bridge takes in: IPv4 and ARP in the container's own name, and nothing else.

Rules at the ingress of the host's end of each pair (the family netdev of nft(8)), so that no packet
of anybody else's bridge passes them. A router advertisement of a container, which needs NET_RAW
alone, would else give the host and its neighbours a default route through it (CVE-2020-10749).
"""

from pathlib import Path

from runtime.network import names, nftables
from runtime.network.errors import NatError, explained
from runtime.network.model import Attachment

_FAMILY = "netdev"
_BEFORE_OTHERS = -500


def rules(engine: str, attachment: Attachment) -> str:
    """The chain of one port as commands of nft(8)."""
    port, own = attachment.host_interface, attachment.mac
    chain = f"{_FAMILY} {names.table(engine)} {port}"
    hook = f'type filter hook ingress device "{port}" priority {_BEFORE_OTHERS}; policy drop;'
    address = attachment.address.ip
    rule = f"add rule {chain} ether saddr {own} ether type"
    return f"""add chain {chain} {{ {hook} }}
{rule} ip ip saddr {address} accept
{rule} arp arp saddr ether {own} arp saddr ip {address} accept
"""


def make(engine: str) -> str:
    """Make the table for the chains; why there is none, "" where there is one."""
    if reason := nftables.absent():
        return reason
    try:
        nftables.run(f"create table {_FAMILY} {names.table(engine)}")
    except NatError as error:
        return str(error)
    return ""


def pin(engine: str, attachment: Attachment) -> None:
    """Restrict a port, before it is up.

    Raises:
        NatError: the kernel refuses.
    """
    nftables.run(rules(engine, attachment))


def unpin(engine: str, attachment: Attachment) -> None:
    """Remove its chain; nothing happens where it went with the interface."""
    chain = f"{_FAMILY} {names.table(engine)} {attachment.host_interface}"
    try:
        nftables.run(f"delete chain {chain}")
    except NatError:
        return


def without_ipv6(interface: str) -> None:
    """Have an interface neither send nor take IPv6, in the calling thread's network namespace.

    Without an address it would take router advertisements still.

    Raises:
        NetworkError: the kernel refuses.
    """
    switch = Path(f"/proc/sys/net/ipv6/conf/{interface}/disable_ipv6")
    if not switch.exists():
        return  # a kernel without IPv6, or an MTU that is too small for it
    with explained(f"write {switch}"):
        switch.write_text("1")
