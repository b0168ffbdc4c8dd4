"""The engine's nftables table: masquerading, and what may pass through the bridge."""

from pathlib import Path
from typing import Any

from runtime.network import names, nftables
from runtime.network.model import Bridge

_BRIDGED_TOO = Path("/proc/sys/net/bridge/bridge-nf-call-iptables")
_FAMILIES = {"ip", "inet"}
_LINK_LOCAL = "169.254.0.0/16"


def rules(engine: str, bridge: Bridge) -> str:
    """The table as commands of nft(8).

    What comes from the bridge passes if its source is of the subnet, since only then its answers
    come back here. What goes to the bridge passes if somebody on it asked for it: without this, a
    neighbour of a forwarding host reaches every container by a route of its own. The first
    `accept` also lets containers reach each other where netfilter sees bridged packets
    (bridge-nf-call-iptables). Link-local addresses are not to be forwarded (RFC 3927, 7), and where
    a cloud keeps its host's credentials.
    """
    table = f"ip {names.table(engine)}"
    forward, leaving = f"rule {table} forward", f"rule {table} postrouting"
    return f"""create table {table}
add chain {table} forward {{ type filter hook forward priority filter; policy accept; }}
add {forward} iifname "{bridge.name}" ip saddr != {bridge.subnet} drop
add {forward} iifname "{bridge.name}" ip daddr {_LINK_LOCAL} drop
add {forward} iifname "{bridge.name}" accept
add {forward} oifname "{bridge.name}" ct state established,related accept
add {forward} oifname "{bridge.name}" drop
add chain {table} postrouting {{ type nat hook postrouting priority srcnat; policy accept; }}
add {leaving} ip saddr {bridge.subnet} oifname != "{bridge.name}" masquerade
"""


def make(engine: str, bridge: Bridge) -> None:
    """Make the table, in one transaction.

    Raises:
        NatError: libnftables is missing, or it or the kernel refuses.
    """
    nftables.run(rules(engine, bridge))


def existing(engine: str) -> list[str]:
    """Families of the tables that the engine has, this one and that of its ports.

    Raises:
        NatError: likewise.
    """
    own = names.table(engine)
    tables = nftables.listed("list tables", "table")
    found = {table["family"] for table in tables if table["name"] == own}
    return [family for family in ("ip", "netdev") if family in found]


def remove(engine: str) -> list[str]:
    """Delete these tables with all that is in them; their families.

    Raises:
        NatError: likewise.
    """
    found = existing(engine)
    for family in found:
        nftables.run(f"delete table {family} {names.table(engine)}")
    return found


def obstacles() -> list[str]:
    """What other tables of this host drop unless told otherwise, as sentences.

    An `accept` of ours ends only our own chain: a packet has to pass every table (nft(8)). Others'
    tables are never written, so this is told, with what root can do; so does libvirt. Rules made by
    the legacy iptables command are not seen here.

    Raises:
        NatError: libnftables is missing, or it or the kernel refuses.
    """
    notes = []
    chains = nftables.listed("list chains", "chain")
    known = {(chain["family"], chain["table"], chain["name"]) for chain in chains}
    for chain in chains:
        # firewalld's own last rule rejects, whatever the policy of its chains
        closed = chain.get("policy") == "drop" or chain["table"] == "firewalld"
        if not closed or "hook" not in chain or chain["family"] not in _FAMILIES:
            continue
        where = f"the nftables table {chain['family']} {chain['table']} of this host"
        if chain["hook"] == "forward":
            whom = "what lies beyond this host"
            if _sees_bridged():
                whom += ", or each other"
            notes.append(
                f"{where} drops what is forwarded: containers may not reach {whom}, until a rule "
                f"there accepts the bridge{_remedy(chain, known)}"
            )
        elif chain["hook"] == "input":
            notes.append(
                f"{where} drops what comes in: containers may not reach this host's own services, "
                "until a rule there accepts the bridge"
            )
    return notes


def _remedy(chain: dict[str, Any], known: set[tuple[str, str, str]]) -> str:
    """What lets our bridges pass, where that is known: by the door that the owner keeps for it."""
    if chain["table"] == "firewalld":
        return " (firewall-cmd --zone=trusted --add-interface=BRIDGE)"
    door = "DOCKER-USER" if (chain["family"], chain["table"], "DOCKER-USER") in known else "FORWARD"
    if (chain["table"], chain["name"]) != ("filter", "FORWARD"):
        return ""
    return (
        f" (iptables -I {door} -i {names.PREFIX}+ -j ACCEPT; iptables -I {door} -o {names.PREFIX}+ "
        "-m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT)"
    )


def _sees_bridged() -> bool:
    try:
        return _BRIDGED_TOO.read_text().strip() == "1"
    except OSError:  # the module is not there
        return False
