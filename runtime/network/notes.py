"""Sentences on what of this host keeps containers from reaching what they could."""

from runtime.network import nat
from runtime.network.errors import NatError
from runtime.network.model import Bridge
from runtime.network.survey import Survey


def notes(bridge: Bridge, survey: Survey) -> tuple[str, ...]:
    """Sentences for the engine's notes.

    Raises:
        NatError: the network has NAT, and libnftables or the kernel refuses to list tables.
    """
    found = list(shortfalls(survey)) if bridge.nat else []
    try:
        found += nat.obstacles()
    except NatError:
        if bridge.nat:
            raise
    return tuple(found)


def shortfalls(survey: Survey) -> list[str]:
    """What the host's routing lacks, as sentences."""
    if not survey.uplinks:
        return ["this host has no default route: containers reach only what it has routes to"]
    return [
        f"{uplink.name} does not forward (net.ipv4.conf.{uplink.name}.forwarding is 0): answers "
        "from beyond this host are lost, while containers reach each other and this host; root can "
        "change that with 'sysctl -w net.ipv4.ip_forward=1', for every interface of the host"
        for uplink in survey.uplinks
        if not uplink.forwards
    ]
