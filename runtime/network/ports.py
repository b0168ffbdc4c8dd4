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
    port, own, address = attachment.host_interface, attachment.mac, attachment.address.ip
    chain = f"{_FAMILY} {names.table(engine)} {port}"
    hook = f'type filter hook ingress device "{port}" priority {_BEFORE_OTHERS}; policy drop;'
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


def pin(engine: str, attachment: Attachment, *, again: bool) -> None:
    """Restrict a port, before it is up.

    The kernel removes a chain with its interface or, from Linux 6.16, keeps it for the next of the
    same name, which has the same addresses. To change it takes an RCU grace period.

    Args:
        engine: its name.
        attachment: names and addresses.
        again: whether there was a port of this name.

    Raises:
        NatError: the kernel refuses.
    """
    if not again or not _stands(engine, attachment.host_interface):
        nftables.run(rules(engine, attachment))


def _stands(engine: str, port: str) -> bool:
    chains = nftables.listed(f"list chains {_FAMILY}", "chain")
    return any(one["table"] == names.table(engine) and one["name"] == port for one in chains)


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
