"""Probes of the network: links, their addresses, neighbours on the same wire."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.experiments.probes.model import (
    KEPT,
    Case,
    Judgement,
    Kind,
    Probe,
    UnreadableError,
    Verdict,
)
from benchmarks.experiments.probes.rules import judged, refusal, same

if TYPE_CHECKING:
    from benchmarks.experiments.probes.model import Want

MAKERS = {
    "00:0c:29": "VMware",
    "00:15:5d": "Hyper-V",
    "00:16:3e": "Xen and LXC",
    "00:50:56": "VMware",
    "02:42": "Docker",
    "08:00:27": "VirtualBox",
    "52:54:00": "QEMU and libvirt",
}
"""Beginning of a hardware address to whose software gives such ones."""
_PREFIX = len("00:00:00")
_LOCAL = 0x02
"""Bit of the first byte: somebody made the address up (IEEE 802, 8.2.2)."""

_HARDWARE = 3
"""Column of the hardware address in /proc/net/arp, zeros while nobody has answered."""
_NAMESPACE: Want = ("/proc/self/ns/net", "link", "/proc/self/ns/net")
_ADDRESSES: Want = ("addresses", "addresses", "/sys/class/net")
_ARP: Want = ("/proc/self/net/arp", "file", "/proc/self/net/arp")


def _links(case: Case) -> Judgement:
    if found := refusal(case):
        return found
    host, sandbox = case.get("before"), case.get("sandbox")
    if case.own_kernel:
        return judged(Verdict.NAMESPACED, host, sandbox, "of another kernel")
    # A sysfs of the host shows its links even to a process in another network namespace.
    strangers = (set(host.get("names", [])) & set(sandbox["names"])) - {"lo", "eth0"}
    verdict = Verdict.SHARED_LIVE if same(case, 1) or strangers else Verdict.NAMESPACED
    return judged(verdict, host, sandbox)


def _mac(case: Case) -> Judgement:
    """Judge addresses by equality; a beginning that many have tells whose software made it."""
    own = sorted(case.get("sandbox").get("addresses", {}).values())
    if not own:
        refused = refusal(case) if "errno" in case.get("sandbox") else None
        return refused or Judgement(Verdict.ABSENT, "sandbox: no link but loopback")
    if "errno" in case.get("before"):
        raise UnreadableError("the host's own links cannot be read")
    host = set(case.get("before").get("addresses", {}).values())
    if shared := host.intersection(own):
        return Judgement(Verdict.SHARED_LIVE, f"sandbox: the host's {', '.join(sorted(shared))}")
    made = {maker for start, maker in MAKERS.items() for mac in own if mac.startswith(start)}
    note = f", as of {', '.join(sorted(made))}" if made else ""
    makers = {mac[:_PREFIX] for mac in host if not int(mac[:2], 16) & _LOCAL}
    if same := [mac for mac in own if mac[:_PREFIX] in makers]:
        return Judgement(Verdict.SHARED_CONSTANT, f"sandbox: {same[0]}, of the host's maker{note}")
    return Judgement(Verdict.NAMESPACED, f"sandbox: {own[0]}{note}")


def _neighbours(case: Case) -> Judgement:
    if found := refusal(case):
        return found
    known = {row[_HARDWARE] for row in _table(case, "sandbox")}
    if not case.own_kernel and same(case, 2):
        return Judgement(Verdict.SHARED_LIVE, "sandbox: the host's own table")
    if not known:
        return Judgement(Verdict.ABSENT, "sandbox: knows no neighbour")
    host: set[str] = set()
    for side in ("before", "after"):  # a bridge may be made with its first sandbox
        host |= set(case.get(side, 1).get("addresses", {}).values())
        host |= {row[_HARDWARE] for row in _table(case, side)}
    if seen := sorted(known & host):
        return Judgement(Verdict.SHARED_LIVE, f"sandbox: shares a wire with {', '.join(seen[:4])}")
    return Judgement(Verdict.NAMESPACED, f"sandbox: {len(known)} neighbours, none the host's")


def _table(case: Case, side: str) -> list[list[str]]:
    """Return whom an ARP table knows: address, type, flags, hardware address, mask, device."""
    rows = [line.split() for line in case.get(side).get("text", "").splitlines()[1:]]
    return [row for row in rows if len(row) > _HARDWARE and row[_HARDWARE].strip("0:")]


PROBES: tuple[Probe, ...] = (
    Probe(
        id="links",
        title="network links",
        kind=Kind.OBJECTS,
        wants=(("/sys/class/net", "list", "/sys/class/net"), _NAMESPACE),
        decide=_links,
        vm=KEPT,
        about="Same network namespace, or the host's links in sysfs.",
    ),
    Probe(
        id="mac",
        title="hardware addresses of links",
        kind=Kind.IDENTITY,
        wants=(_ADDRESSES,),
        decide=_mac,
        vm=KEPT,
        about="An address of the host's is a leak; one whose beginning is the host's maker's is a "
        "constant. A VM should have its own; the evidence names the software whose beginning it "
        "bears, by which a guest knows that it is one.",
    ),
    Probe(
        id="neighbours",
        title="neighbours on the wire",
        kind=Kind.OBJECTS,
        wants=(_ARP, _ADDRESSES, _NAMESPACE),
        decide=_neighbours,
        vm=KEPT,
        about="Looks for hardware addresses of the host's links and neighbours in the table of "
        "ARP: whoever is on a bridge of the host learns them. Nothing is sent.",
    ),
)
