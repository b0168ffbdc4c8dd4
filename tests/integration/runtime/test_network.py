"""Bridges in a namespace that plays the host, with others that play containers and the outside."""

from __future__ import annotations

import errno
import json
import os
import secrets
import socket
import struct
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from ipaddress import IPv4Network
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from runtime.network import (
    AddressError,
    Network,
    NetworkError,
    PrivilegeError,
    leftovers,
    links,
    nftables,
    remove,
)
from tests import framework
from tests.framework.network_namespaces import Namespace, interfaces
from tests.integration.runtime.conftest import executed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from runtime import Engine, Spec

#: TEST-NET-3 (RFC 5737): the wire between the host and what lies beyond it.
HOST_OUTSIDE, OUTSIDE = "203.0.113.1", "203.0.113.2"
KILLED = Path(framework.__file__).with_name("killed_network.py")
ROOT = Path(__file__).parents[3]


@pytest.fixture
def namespaces() -> Iterator[Callable[[], Namespace]]:
    made: list[Namespace] = []

    def make() -> Namespace:
        made.append(Namespace())
        return made[-1]

    yield make
    for namespace in made:
        namespace.close()


@pytest.fixture(autouse=True)
def host(namespaces: Callable[[], Namespace]) -> Iterator[Namespace]:
    """A namespace that plays the host; this thread is in it, and nothing may stay there."""
    host = namespaces()
    with host.entered():
        before = interfaces()
        yield host
        assert interfaces() == before
        assert nftables.listed("list tables", "table") == []


@pytest.fixture
def name() -> str:
    return f"tare-{secrets.token_hex(6)}"


@pytest.fixture
def network(name: str, host: Namespace) -> Iterator[Network]:
    del host  # it has to be there first
    with Network(name) as network:
        yield network
    assert leftovers(name) == []


@pytest.fixture
def outside(host: Namespace, namespaces: Callable[[], Namespace]) -> Iterator[Namespace]:
    """What lies beyond the host, by an uplink that forwards."""
    del host  # it has to be there first
    from pyroute2 import IPRoute

    beyond = namespaces()
    with IPRoute() as ipr:
        ipr.link("add", kind="veth", ifname="up0", peer={"ifname": "w0", "net_ns_fd": beyond.fd})
        up = socket.if_nametoindex("up0")
        ipr.addr("add", index=up, address=HOST_OUTSIDE, prefixlen=24)
        ipr.link("set", index=up, mtu=1400, state="up")
        with beyond.entered(), IPRoute() as there:
            there.addr("add", index=socket.if_nametoindex("w0"), address=OUTSIDE, prefixlen=24)
            there.link("set", index=socket.if_nametoindex("w0"), state="up")
        ipr.route("add", dst="default", gateway=OUTSIDE)
        forwarding("up0").write_text("1")
        yield beyond
        ipr.link("del", index=up)


def forwarding(interface: str) -> Path:
    return Path(f"/proc/sys/net/ipv4/conf/{interface}/forwarding")


def run_python(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )


def test_containers_reach_each_other_and_the_host(
    network: Network, host: Namespace, namespaces: Callable[[], Namespace]
) -> None:
    one, other = namespaces(), namespaces()
    first, second = network.attach(one.path), network.attach(other.path)
    assert one.pings(second.address.ip)
    assert one.connects(other, second.address.ip) == str(first.address.ip)
    assert one.connects(host, network.bridge.gateway) == str(first.address.ip)
    assert host.connects(other, second.address.ip) == str(network.bridge.gateway)


def test_the_first_packet_after_attaching_arrives(
    network: Network, host: Namespace, namespaces: Callable[[], Namespace]
) -> None:
    for guest in (namespaces(), namespaces(), namespaces()):
        with guest.entered():
            inside = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        with inside, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as outside:
            inside.settimeout(2)
            outside.settimeout(2)
            outside.bind(("", 0))
            inside.bind(("", 0))
            address = str(network.attach(guest.path).address.ip)
            inside.sendto(b"out", (str(network.bridge.gateway), outside.getsockname()[1]))
            outside.sendto(b"in", (address, inside.getsockname()[1]))
            assert (outside.recv(10), inside.recv(10)) == (b"out", b"in")
    del host


def test_nothing_has_an_ipv6_address(
    network: Network, host: Namespace, namespaces: Callable[[], Namespace]
) -> None:
    guest = namespaces()
    network.attach(guest.path)
    for namespace in (host, guest):
        with namespace.entered():
            found = Path("/proc/thread-self/net/if_inet6").read_text().splitlines()
        assert [line.split()[-1] for line in found] == ["lo"]


def test_what_lies_beyond_sees_the_hosts_address(
    host: Namespace, outside: Namespace, name: str, namespaces: Callable[[], Namespace]
) -> None:
    guest = namespaces()
    with Network(name) as network:
        network.attach(guest.path)
        assert network.notes == ()
        assert network.bridge.mtu == 1400
        assert guest.connects(outside, OUTSIDE) == HOST_OUTSIDE
        assert guest.connects(host, HOST_OUTSIDE) is not None


def test_what_lies_beyond_gets_in_only_when_asked(
    outside: Namespace, name: str, namespaces: Callable[[], Namespace]
) -> None:
    from pyroute2 import IPRoute

    guest = namespaces()
    with Network(name) as network:
        address = network.attach(guest.path).address
        with outside.entered(), IPRoute() as ipr:
            ipr.route("add", dst=str(network.bridge.subnet), gateway=HOST_OUTSIDE)
        assert outside.connects(guest, address.ip, timeout_s=0.5) is None
        assert guest.connects(outside, OUTSIDE) == HOST_OUTSIDE


def test_a_source_that_is_not_the_containers_own_does_not_get_out(
    outside: Namespace, network: Network, namespaces: Callable[[], Namespace]
) -> None:
    from pyroute2 import IPRoute

    guest = namespaces()
    network.attach(guest.path)
    assert guest.pings(OUTSIDE)
    with guest.entered(), IPRoute() as ipr:
        eth0 = socket.if_nametoindex("eth0")
        ipr.addr("add", index=eth0, address="192.0.2.99", prefixlen=32)
        ipr.route(
            "replace", dst="default", gateway=str(network.bridge.gateway), prefsrc="192.0.2.99"
        )
    with outside.entered():
        listener = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        listener.bind((OUTSIDE, 0))
    with listener, guest.entered(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        listener.settimeout(0.5)
        sender.sendto(b"from nobody", listener.getsockname())
        with pytest.raises(TimeoutError):
            listener.recv(100)


def test_a_host_that_does_not_forward_says_so_and_serves_its_own(
    host: Namespace, outside: Namespace, name: str, namespaces: Callable[[], Namespace]
) -> None:
    guest = namespaces()
    forwarding("up0").write_text("0")
    with Network(name) as network:
        assert any(note.startswith("up0 does not forward") for note in network.notes)
        network.attach(guest.path)
        assert guest.connects(outside, OUTSIDE, timeout_s=0.5) is None
        assert guest.connects(host, network.bridge.gateway) is not None
        assert forwarding("up0").read_text() == "0\n"


def test_the_switches_of_the_host_stay_as_they_are(outside: Namespace, name: str) -> None:
    del outside
    switches = [*Path("/proc/sys/net/ipv4/conf").glob("*/forwarding")]
    before = {switch: switch.read_text() for switch in switches}
    with Network(name):
        assert {switch: switch.read_text() for switch in switches} == before
    assert {switch: switch.read_text() for switch in switches} == before


def test_without_nat_what_lies_beyond_is_unreachable_at_once(
    host: Namespace, outside: Namespace, name: str, namespaces: Callable[[], Namespace]
) -> None:
    del outside
    guest = namespaces()
    with Network(name, nat=False) as network:
        network.attach(guest.path)
        with guest.entered(), socket.socket() as client, pytest.raises(OSError) as refusal:
            client.connect((OUTSIDE, 80))
        assert refusal.value.errno == errno.ENETUNREACH
        assert guest.connects(host, network.bridge.gateway) is not None
        assert {t["family"] for t in nftables.listed("list tables", "table")} == {"netdev"}
        assert forwarding(network.bridge.name).read_text() == "0\n"


def test_a_firewall_of_the_host_is_told(name: str) -> None:
    chain = "type filter hook forward priority 0; policy drop;"
    nftables.run(f"add table inet fw; add chain inet fw f {{ {chain} }}")
    try:
        with Network(name) as network:
            assert any("table inet fw of this host drops" in note for note in network.notes)
        assert [t["name"] for t in nftables.listed("list tables", "table")] == ["fw"]
    finally:
        nftables.run("delete table inet fw")


def test_isolated_containers_reach_the_host_but_not_each_other(
    network: Network, host: Namespace, namespaces: Callable[[], Namespace]
) -> None:
    one, other, third = namespaces(), namespaces(), namespaces()
    network.attach(one.path, isolated=True)
    second = network.attach(other.path, isolated=True)
    network.attach(third.path)
    assert one.connects(other, second.address.ip, timeout_s=0.5) is None
    assert one.connects(host, network.bridge.gateway) is not None
    assert third.connects(other, second.address.ip) is not None


def test_a_container_that_poses_as_another_is_not_heard(
    network: Network, host: Namespace, namespaces: Callable[[], Namespace]
) -> None:
    from pyroute2 import IPRoute

    victim, forger = namespaces(), namespaces()
    attachment = network.attach(victim.path)
    network.attach(forger.path)
    assert forger.pings(network.bridge.gateway)
    with forger.entered(), IPRoute() as ipr:
        ipr.link("set", index=socket.if_nametoindex("eth0"), address=attachment.mac)
    assert not forger.pings(network.bridge.gateway)
    assert victim.connects(host, network.bridge.gateway) is not None


def test_forged_arp_does_not_divert_what_the_host_sends(
    network: Network, host: Namespace, namespaces: Callable[[], Namespace]
) -> None:
    victim, forger = namespaces(), namespaces()
    owned, other = network.attach(victim.path), network.attach(forger.path)
    me, he = (bytes.fromhex(a.mac.replace(":", "")) for a in (other, owned))
    claim = b"\0\1\x08\0\6\4\0\2" + me + owned.address.ip.packed + he + owned.gateway.packed
    with forger.entered(), socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as raw:
        raw.bind(("eth0", 0))
        raw.send(b"\xff" * 6 + me + b"\x08\6" + claim)
    assert host.connects(victim, owned.address.ip) is not None


def raw(namespace: Namespace) -> socket.socket:
    """What NET_RAW gives a container: a socket for whole frames."""
    with namespace.entered():
        made = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0003))
        made.bind(("eth0", 0))
    return made


def mac(text: str) -> bytes:
    return bytes.fromhex(text.replace(":", ""))


def advertisement(source: bytes) -> bytes:
    """A router advertisement to all nodes, which offers a default route for half an hour."""
    address = b"\xfe\x80" + b"\0" * 13 + b"\x66"
    everybody = b"\xff\x02" + b"\0" * 13 + b"\x01"
    # type, code, checksum, hop limit, flags, lifetime, two timers, link-layer address
    body = struct.pack("!BBHBBHII", 134, 0, 0, 64, 0, 1800, 0, 0) + b"\1\1" + source
    pseudo = address + everybody + struct.pack("!II", len(body), 58) + body
    total = sum(struct.unpack(f"!{len(pseudo) // 2}H", pseudo))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    body = body[:2] + struct.pack("!H", ~total & 0xFFFF) + body[4:]
    head = struct.pack("!IHBB", 6 << 28, len(body), 58, 255) + address + everybody
    return b"\x33\x33\0\0\0\1" + source + b"\x86\xdd" + head + body


def ipv6_routes() -> str:
    return Path("/proc/thread-self/net/ipv6_route").read_text()


@pytest.mark.parametrize("pinned", [True, False])
def test_a_router_advertisement_gives_nobody_a_route(
    name: str, host: Namespace, namespaces: Callable[[], Namespace], *, pinned: bool
) -> None:
    forger, neighbour = namespaces(), namespaces()
    with Network(name, pinned=pinned) as network:
        own = mac(network.attach(forger.path).mac)
        network.attach(neighbour.path)
        with neighbour.entered():
            before = ipv6_routes()
        ours = ipv6_routes()
        with raw(forger) as frames:
            frames.send(advertisement(own))
        assert forger.pings(network.bridge.gateway)  # what was sent before has arrived by then
        assert ipv6_routes() == ours
        with neighbour.entered():
            assert ipv6_routes() == before
    del host


def test_nothing_but_ipv4_and_arp_in_its_own_name_leaves_a_container(
    network: Network, host: Namespace, namespaces: Callable[[], Namespace]
) -> None:
    forger, neighbour = namespaces(), namespaces()
    network.detach(network.attach(forger.path))  # a port that is made again is pinned again
    own, other = network.attach(forger.path), network.attach(neighbour.path)
    me, everybody = mac(own.mac), b"\xff" * 6
    stranger = IPv4Network("198.18.0.99/32").network_address

    def arp(owner: bytes, address: bytes) -> bytes:
        claim = b"\0\1\x08\0\6\4\0\1" + owner + address + b"\0" * 6 + other.address.ip.packed
        return everybody + me + b"\x08\6" + claim

    def ip(source: bytes) -> bytes:
        head = struct.pack("!BBHHHBBH", 0x45, 0, 28, 0, 0, 64, 17, 0)
        return everybody + me + b"\x08\0" + head + source + other.address.ip.packed + b"\0" * 8

    forged = {
        "IPv6": advertisement(me),
        "an ethertype for experiments": everybody + me + b"\x88\xb5" + b"x" * 46,
        "a VLAN's": everybody + me + b"\x81\0\0\5" + arp(me, own.address.ip.packed)[12:],
        "another's ARP": arp(me, stranger.packed),
        "ARP for another's link-layer address": arp(mac(other.mac), own.address.ip.packed),
        "another's IPv4": ip(stranger.packed),
    }
    with raw(forger) as sender, raw(neighbour) as listener:
        listener.settimeout(10)
        for what, frame in forged.items():
            sender.send(frame + what.encode())
        sender.send(arp(me, own.address.ip.packed) + b"the last")
        seen = b""
        while b"the last" not in seen:
            seen += listener.recv(2000)
    assert [what for what in forged if what.encode() in seen] == []
    del host


def test_link_local_addresses_beyond_the_host_are_out_of_reach(
    outside: Namespace, network: Network, namespaces: Callable[[], Namespace]
) -> None:
    from pyroute2 import IPRoute

    metadata, guest = "169.254.169.254", namespaces()
    network.attach(guest.path)
    with outside.entered(), IPRoute() as ipr:
        ipr.addr("add", index=socket.if_nametoindex("w0"), address=metadata, prefixlen=32)
    with IPRoute() as ipr:
        ipr.route("add", dst=f"{metadata}/32", gateway=OUTSIDE)
    assert guest.connects(outside, metadata, timeout_s=0.5) is None
    assert guest.connects(outside, OUTSIDE) == HOST_OUTSIDE


def test_concurrent_attachments_get_addresses_of_their_own(
    network: Network, namespaces: Callable[[], Namespace]
) -> None:
    guests = [namespaces() for _ in range(8)]
    with ThreadPoolExecutor(8) as pool:
        attachments = list(pool.map(network.attach, [guest.path for guest in guests]))
    assert {str(a.address.ip) for a in attachments} == {f"198.18.0.{n}" for n in range(2, 10)}
    for guest, attachment in zip(guests, attachments, strict=True):
        with guest.entered():
            assert interfaces() == {"eth0"}
        assert guest.connects(guests[0], attachments[0].address.ip) == str(attachment.address.ip)


def test_a_detached_container_is_unreachable_and_its_address_free(
    network: Network, namespaces: Callable[[], Namespace]
) -> None:
    one, other = namespaces(), namespaces()
    first, second = network.attach(one.path), network.attach(other.path)
    network.detach(first)
    network.detach(first)
    with one.entered():
        assert interfaces() == set()
    assert network.attachments == {second}
    assert network.attach(one.path, interface="net1").address == first.address
    assert one.pings(second.address.ip)


def test_a_container_that_is_gone_can_be_detached(
    network: Network, namespaces: Callable[[], Namespace]
) -> None:
    guest = Namespace()
    first = network.attach(guest.path)
    guest.close()  # the kernel takes the interface along, when it gets to it
    network.detach(first)
    assert network.attach(namespaces().path).address == first.address


def test_a_refused_attachment_leaves_nothing(
    network: Network, host: Namespace, namespaces: Callable[[], Namespace]
) -> None:
    guest = namespaces()
    first = network.attach(guest.path)
    before = interfaces()
    for target, reason in [
        (guest.path, "other end eth0 in the container: File exists"),
        (host.path, "the host's own network namespace"),
        (os.getpid(), "the host's own network namespace"),
        (Path("/dev/null"), "is no network namespace"),
        (Path("/proc/self/ns/uts"), "is no network namespace"),
        (2**22 + 1, "No such file or directory"),
    ]:
        with pytest.raises(NetworkError, match=reason):
            network.attach(target)
    assert interfaces() == before
    assert network.attachments == {first}
    assert str(network.attach(namespaces().path).address.ip) == "198.18.0.3"


def test_a_failure_at_the_very_end_is_undone(
    network: Network, namespaces: Callable[[], Namespace], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise NetworkError("does not come up")

    guest, before = namespaces(), interfaces()
    with monkeypatch.context() as patch:
        patch.setattr(links, "await_up", refuse)
        with pytest.raises(NetworkError, match="does not come up"):
            network.attach(guest.path)
    assert interfaces() == before
    assert str(network.attach(guest.path).address.ip) == "198.18.0.2"
    assert guest.pings(network.bridge.gateway)


def test_engines_that_start_together_choose_different_subnets() -> None:
    names = [f"tare-{secrets.token_hex(6)}" for _ in range(6)]
    with ThreadPoolExecutor(6) as pool:
        networks = list(pool.map(Network, names))
    assert len({network.bridge.subnet for network in networks}) == 6
    for network in networks:
        network.close()


def test_containers_of_different_engines_do_not_reach_each_other(
    network: Network, host: Namespace, namespaces: Callable[[], Namespace]
) -> None:
    one, other = namespaces(), namespaces()
    with Network(f"tare-{secrets.token_hex(6)}") as second:
        network.attach(one.path)
        address = second.attach(other.path).address.ip
        assert one.connects(other, address, timeout_s=0.5) is None
        assert host.connects(other, address) is not None


def test_a_subnet_the_host_uses_is_not_taken(name: str) -> None:
    from pyroute2 import IPRoute

    with IPRoute() as ipr:
        ipr.route("add", dst="198.18.0.0/21", type="blackhole", table=99)
        ipr.addr("add", index=1, address="198.18.9.1", prefixlen=32)
        with Network(name) as network:
            assert network.bridge.subnet == IPv4Network("198.18.12.0/22")
        with pytest.raises(AddressError, match=r"198\.18\.4\.0/24 is taken by a route of table 99"):
            Network(name, subnet=IPv4Network("198.18.4.0/24"))
        ipr.route("del", dst="198.18.0.0/21", type="blackhole", table=99)


def test_a_subnet_another_engine_has_is_not_taken(network: Network, name: str) -> None:
    del name
    for subnet in (network.bridge.subnet, IPv4Network("198.18.0.0/16")):
        with pytest.raises(AddressError, match="is taken by"):
            Network(f"tare-{secrets.token_hex(6)}", subnet=subnet)


def test_a_second_network_of_one_engine_leaves_the_first_alone(
    network: Network, name: str, namespaces: Callable[[], Namespace]
) -> None:
    with pytest.raises(NetworkError, match="File exists"):
        Network(name)
    guest = namespaces()
    network.attach(guest.path)
    assert guest.pings(network.bridge.gateway)


def test_a_closed_network_says_so(name: str, namespaces: Callable[[], Namespace]) -> None:
    network = Network(name)
    network.close()
    network.close()
    with pytest.raises(NetworkError, match="is closed"):
        network.attach(namespaces().path)


def test_a_network_that_closes_with_the_interpreter_leaves_nothing(name: str) -> None:
    code = (
        "import atexit; from runtime.network import Network; atexit.register(Network({!r}).close)"
    )
    ended = run_python(code.format(name))
    assert (ended.returncode, ended.stderr) == (0, "")
    assert leftovers(name) == []


def test_a_network_whose_parts_somebody_removed_still_closes(
    name: str, namespaces: Callable[[], Namespace]
) -> None:
    with Network(name) as network:
        network.attach(namespaces().path)
        assert len(remove(name)) == 4


def test_whatever_a_killed_owner_leaves_is_found_and_removed(
    name: str, namespaces: Callable[[], Namespace]
) -> None:
    told = run_python(KILLED.read_text(), name, str(namespaces().path))
    assert told.returncode == 0, told.stderr
    steps = {line["step"]: line for line in map(json.loads, told.stdout.splitlines())}
    assert len(steps) == 11
    for step in steps.values():
        assert step["removed"] == step["left"]
        assert step["after"] == []
    kinds = [entry.split()[0] for entry in steps["links.open_port"]["left"]]
    assert kinds == ["interface", "nftables", "nftables", "bridge"]


def test_only_what_the_engine_made_is_removed(network: Network, name: str) -> None:
    from pyroute2 import IPRoute

    stranger = f"tare-{secrets.token_hex(6)}"
    bridge, port = f"tr{stranger[5:]}", f"tv{stranger[5:14]}0002"
    with IPRoute() as ipr:
        # named like the stranger's: no bridge, somebody else's pair, somebody else's bridge
        ipr.link("add", kind="veth", ifname=bridge, peer={"ifname": port})
        before = interfaces()
        assert leftovers(stranger) == remove(stranger) == []
        ipr.link("del", index=socket.if_nametoindex(bridge))
        ipr.link("add", kind="bridge", ifname=bridge)
        ipr.link("set", index=socket.if_nametoindex(bridge), ifalias=name)
        assert leftovers(stranger) == remove(stranger) == []
        assert interfaces() == before - {port}
        assert network.bridge.name in before
        ipr.link("del", index=socket.if_nametoindex(bridge))


def test_a_user_without_privileges_is_told_what_to_do() -> None:
    # Imported before, since the project may lie in root's home, which others cannot read.
    code = (
        "import os, sys; from pyroute2 import IPRoute; from runtime.network import Network, errors;"
        "os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
        "if sys.argv[1:]: os.unshare(os.CLONE_NEWUSER)\n"
        "Network('tare-0123456789ab')"
    )
    for arguments in ([], ["in a user namespace"]):
        told = run_python(code, *arguments)
        assert PrivilegeError.__name__ in told.stderr
        assert "run as root, or let the container have no network but its loopback" in told.stderr


def test_containers_of_the_default_profile_serve_each_other(
    host: Namespace, engine: Engine, spec: Spec
) -> None:
    del host
    serve = ["busybox", "nc", "-lp", "80", "-e", "echo", "hello"]
    server = replace(spec, process=replace(spec.process, args=serve))
    with Network(engine.name) as network, engine.run(server) as one, engine.run(spec) as other:
        address = network.attach(one.pid).address.ip
        network.attach(other.pid)
        ask = f"until busybox nc -w 5 {address} 80; do sleep 0.05; done 2>/dev/null"
        assert executed(other, "sh", "-c", ask) == (0, "hello\n")
        status, routes = executed(other, "busybox", "route", "-n")
        assert status == 0
        assert str(network.bridge.gateway) in routes
