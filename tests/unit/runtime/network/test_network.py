"""Names, addresses and the choice of a subnet; no kernel."""

from __future__ import annotations

import subprocess
import sys
from ipaddress import IPv4Address, IPv4Interface, IPv4Network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.errors import ContainerError
from runtime.network import AddressError, Bridge, NetworkError, nat, nftables
from runtime.network.addresses import POOL, Allocator, Taken, candidates, conflict
from runtime.network.names import (
    bridge,
    check_interface,
    claim,
    first_mac,
    inside_mac,
    outside_mac,
    veth,
)
from runtime.network.notes import notes, shortfalls
from runtime.network.survey import Survey, Uplink

ENGINE = "tare-0123456789ab"
engines = st.text("0123456789abcdef", min_size=12, max_size=12).map("tare-{}".format)
addresses = st.integers(0, 2**32 - 1).map(IPv4Address)
small_subnets = st.tuples(addresses, st.integers(26, 30)).map(
    lambda pair: IPv4Network(pair, strict=False)
)


def make_bridge(**changes: object) -> Bridge:
    values: dict[str, object] = {
        "name": bridge(ENGINE),
        "subnet": IPv4Network("198.18.0.0/22"),
        "gateway": IPv4Address("198.18.0.1"),
        "mac": "02:00:c6:12:00:01",
        "mtu": 1500,
        "nat": True,
    }
    return Bridge(**(values | changes))  # type: ignore[arg-type]


@given(small_subnets, st.data())
def test_always_the_lowest_free_address_is_given(subnet: IPv4Network, data: st.DataObject) -> None:
    allocator, held = Allocator(subnet), set[IPv4Address]()
    hosts = list(subnet.hosts())[1:]
    for give in data.draw(st.lists(st.booleans(), max_size=80)):
        free = [host for host in hosts if host not in held]
        if give and not free:
            with pytest.raises(AddressError, match="in use"):
                allocator.take()
        elif give:
            taken = allocator.take()
            assert taken == IPv4Interface((free[0], subnet.prefixlen))
            held.add(taken.ip)
        elif held:
            returned = data.draw(st.sampled_from(sorted(held)))
            allocator.release(returned)
            held.remove(returned)


def test_what_was_not_taken_cannot_be_released() -> None:
    allocator = Allocator(IPv4Network("198.18.0.0/22"))
    allocator.release(allocator.take().ip)
    with pytest.raises(AddressError, match=r"198\.18\.0\.2 of 198\.18\.0\.0/22 was not in use"):
        allocator.release(IPv4Address("198.18.0.2"))


@given(st.lists(st.tuples(addresses, st.integers(0, 32)), max_size=20))
def test_a_chosen_subnet_overlaps_no_route_of_the_host(routes: list[tuple[int, int]]) -> None:
    networks = [IPv4Network(route, strict=False) for route in routes]
    taken = [Taken(network, "a route") for network in networks]
    for subnet in candidates():
        if conflict(subnet, taken) is None:
            assert not any(n.overlaps(subnet) for n in networks if n.prefixlen >= 8)
            break
    else:
        assert any(n.overlaps(POOL) for n in networks)


@pytest.mark.parametrize("default", ["0.0.0.0/0", "128.0.0.0/1", "192.0.0.0/3"])
def test_a_default_route_takes_no_subnet_in_any_disguise(default: str) -> None:
    taken = [Taken(IPv4Network(default), "a route")]
    assert conflict(next(candidates()), taken) is None


@pytest.mark.parametrize("route", ["198.18.0.0/22", "198.18.1.7/32", "198.0.0.0/8"])
def test_a_subnet_with_a_route_into_it_is_passed_over(route: str) -> None:
    taken = [Taken(IPv4Network(route), "a route")]
    assert conflict(next(candidates()), taken) == taken[0]


def test_a_bridge_has_room_for_a_thousand_containers() -> None:
    allocator = Allocator(next(candidates()))
    given_out = {allocator.take().ip for _ in range(1021)}
    assert len(given_out) == 1021
    assert allocator.gateway not in given_out
    with pytest.raises(AddressError, match="1021 addresses"):
        allocator.take()


@given(engines, engines, st.integers(0, 65535))
def test_names_fit_an_interface_and_tell_engines_apart(one: str, other: str, number: int) -> None:
    assert len(bridge(one)) <= 15
    assert len(veth(one, number)) <= 15
    assert (bridge(one) == bridge(other)) == (one == other)
    assert bridge(one) != veth(one, number)


@pytest.mark.parametrize("name", ["eth0", "tare-0123456789aB", "tare-0123456789ab0", "../tare", ""])
def test_nothing_is_derived_from_what_is_no_engine(name: str) -> None:
    with pytest.raises(NetworkError, match="no engine's name"):
        bridge(name)


@given(addresses, addresses)
def test_link_layer_addresses_are_local_and_unique(one: IPv4Address, other: IPv4Address) -> None:
    for mac in (inside_mac(one), outside_mac(one)):
        assert int(mac[:2], 16) & 0b11 == 0b10
    assert inside_mac(one) != outside_mac(other)
    assert (inside_mac(one) == inside_mac(other)) == (one == other)


def test_a_claim_can_be_the_name_of_an_interface() -> None:
    assert claim(IPv4Network("198.19.252.0/22")) == "tare-198.19.252.0-22"


@pytest.mark.parametrize("name", ["", "eth0/1", "an interface", ".", "..", "x" * 16, "ä"])
def test_an_impossible_interface_is_refused(name: str) -> None:
    with pytest.raises(NetworkError, match="cannot be an interface"):
        check_interface(name)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"subnet": IPv4Network("10.0.0.0/8")}, "from /16 to /30"),
        ({"subnet": IPv4Network("10.0.0.0/31")}, "from /16 to /30"),
        ({"subnet": IPv4Network("224.0.0.0/22")}, "no unicast range"),
        ({"subnet": IPv4Network("127.0.0.0/16")}, "no unicast range"),
        ({"gateway": IPv4Address("198.18.4.1")}, "no host of"),
        ({"gateway": IPv4Address("198.18.3.255")}, "no host of"),
        ({"mtu": 67}, "cannot be 67 bytes"),
    ],
)
def test_an_impossible_bridge_is_refused(change: dict[str, object], reason: str) -> None:
    with pytest.raises(NetworkError, match=reason):
        make_bridge(**change)


def test_the_rules_name_the_table_of_the_engine_in_every_command() -> None:
    commands = nat.rules(ENGINE, make_bridge()).splitlines()
    assert commands[0] == f"create table ip {ENGINE}"
    assert all(f" ip {ENGINE}" in command for command in commands)


def test_a_way_out_that_does_not_forward_is_told() -> None:
    found = Survey((), (Uplink("eth0", 1500, forwards=False), Uplink("wg0", 1420, forwards=True)))
    (note,) = shortfalls(found)
    assert note.startswith("eth0 does not forward")
    assert found.mtu == 1420


def test_a_host_that_leads_nowhere_is_told() -> None:
    (note,) = shortfalls(Survey((), ()))
    assert "no default route" in note


@pytest.mark.parametrize(
    ("hook", "told"), [("forward", "what lies beyond this host"), ("input", "own services")]
)
def test_a_firewall_that_drops_is_told(
    hook: str, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    chains = [
        {"family": "ip", "table": "filter", "name": "X", "hook": hook, "policy": "drop"},
        {"family": "ip", "table": "filter", "name": "Y", "hook": hook, "policy": "accept"},
        {"family": "ip6", "table": "filter", "name": "X", "hook": hook, "policy": "drop"},
        {"family": "inet", "table": "mine", "name": "no base chain"},
    ]
    monkeypatch.setattr(nftables, "listed", lambda *_: chains)
    (note,) = notes(make_bridge(), Survey((), (Uplink("eth0", 1500, forwards=True),)))
    assert "table ip filter" in note
    assert told in note


def test_errors_are_the_runtimes() -> None:
    assert issubclass(NetworkError, ContainerError)


def test_nothing_heavy_is_read_before_a_bridge_is_asked_for() -> None:
    code = "import sys, runtime.network as n; n.Network; print('pyroute2' in sys.modules)"
    told = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert told.stdout == "False\n"


def chain(family: str, table: str, name: str, **more: str) -> dict[str, str]:
    return {"family": family, "table": table, "name": name, **more}


@pytest.mark.parametrize(
    ("chains", "said"),
    [
        ([], None),
        ([("ip", "filter", "FORWARD", "accept")], None),
        ([("ip", "filter", "FORWARD", "drop")], "iptables -I FORWARD -i tr+ -j ACCEPT"),
        (
            [("ip", "filter", "FORWARD", "drop"), ("ip", "filter", "DOCKER-USER", "")],
            "iptables -I DOCKER-USER -i tr+ -j ACCEPT",
        ),
        ([("inet", "firewalld", "filter_FORWARD", "accept")], "firewall-cmd --zone=trusted"),
        ([("inet", "own", "forward", "drop")], "until a rule there accepts the bridge"),
        ([("ip6", "filter", "FORWARD", "drop")], None),
    ],
)
def test_a_firewall_that_forwards_nothing_for_us_is_told_with_what_helps(
    chains: list[tuple[str, str, str, str]], said: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed = [
        chain(*where, **({"type": "filter", "hook": "forward", "policy": policy} if policy else {}))
        for *where, policy in chains
    ]
    monkeypatch.setattr(nftables, "listed", lambda *_: listed)
    found = nat.obstacles()
    assert len(found) == (said is not None)
    assert said is None or said in found[0]


@given(engines)
def test_a_bridge_is_born_with_a_local_unicast_address_of_its_own(engine: str) -> None:
    mac = first_mac(bridge(engine))
    assert int(mac[:2], 16) & 3 == 2
    assert len(mac.split(":")) == 6
