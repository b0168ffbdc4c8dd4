"""A network namespace of one's own: who is in it, and when it is gone."""

from __future__ import annotations

import secrets
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from runtime.network import AddressError, Namespace, Network, links

OWN = Path("/proc/thread-self/ns/net")
HOLDER = """
import sys
from runtime.network import Namespace, Network
place = Namespace()
with place.entered():
    network = Network(sys.argv[1], nat=False)
print(place.inode, flush=True)
sys.stdin.read()
"""


def test_it_has_a_loopback_and_nothing_of_the_host() -> None:
    home = OWN.readlink()
    with Namespace() as place:
        assert place.interfaces() == ["lo"]
        with place.entered():
            assert OWN.readlink() != home
            with socket.create_server(("127.0.0.1", 0)) as server:
                socket.create_connection(server.getsockname(), timeout=5).close()
        assert OWN.readlink() == home


def test_a_thread_comes_home_whatever_happens() -> None:
    home = OWN.readlink()
    with Namespace() as place, pytest.raises(ZeroDivisionError), place.entered():
        _ = 1 / 0
    assert OWN.readlink() == home


def test_a_process_can_join_it_by_its_path() -> None:
    with Namespace() as place:
        command = ["nsenter", f"--net={place.path}", "readlink", "/proc/self/ns/net"]
        joined = subprocess.run(command, capture_output=True, text=True, check=True)
        assert joined.stdout.strip() == f"net:[{place.inode}]"


def test_a_network_in_it_is_not_the_host_s_and_ends_with_it() -> None:
    name = f"tare-{secrets.token_hex(6)}"
    with Namespace() as place:
        with place.entered():
            network = Network(name, nat=False)
        with network:
            assert set(place.interfaces()) == {"lo", network.bridge.name}
            assert network.bridge.name not in {name for _, name in socket.if_nameindex()}
        assert place.interfaces() == ["lo"]


def test_no_link_layer_address_is_left_for_udev_to_choose(monkeypatch: pytest.MonkeyPatch) -> None:
    """It changes what the kernel made up (1 in addr_assign_type), and not what was set (3)."""
    seen = []
    with Namespace() as place, Namespace() as inside:

        def look() -> None:
            script = "mount -t sysfs none /sys && cd /sys/class/net && grep . */addr_assign_type"
            command = ["nsenter", f"--net={place.path}", "unshare", "--mount", "sh", "-c", script]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            lines = (line.split("/addr_assign_type:") for line in done.stdout.splitlines())
            seen.append({name: kind for name, kind in lines if name != "lo"})

        def made(ipr: object, name: str) -> int:
            index = make(ipr, name)
            look()
            return index

        make = links.make_bridge
        monkeypatch.setattr(links, "make_bridge", made)
        with place.entered():
            network = Network(f"tare-{secrets.token_hex(6)}", nat=False)
        with network:
            network.attach(inside.path)
            look()
    assert [set(each.values()) for each in seen] == [{"3"}, {"3"}]
    assert [len(each) for each in seen] == [1, 2]


def test_it_is_gone_when_its_owner_was_killed() -> None:
    name = f"tare-{secrets.token_hex(6)}"
    command = [sys.executable, "-c", HOLDER, name]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as owner:
        assert owner.stdout is not None
        inode = int(owner.stdout.readline())
        assert _is_held(inode)
        owner.kill()
    assert not _is_held(inode)


def test_a_reserved_address_is_nobody_else_s_until_it_is_released() -> None:
    with Namespace() as place:
        with place.entered():
            network = Network(f"tare-{secrets.token_hex(6)}", nat=False)
        with network:
            one, two = network.reserve(), network.reserve()
            assert one.address != two.address
            assert one.mac != two.mac
            assert one.gateway == network.bridge.gateway
            network.release(one)
            assert network.reserve() == one
            network.release(two)
            with pytest.raises(AddressError, match="was not in use"):
                network.release(two)


def _is_held(inode: int) -> bool:
    """Whether a thread is in the network namespace, or a process has a descriptor of it."""
    held = f"net:[{inode}]"
    tasks = Path("/proc").glob("[0-9]*/task/[0-9]*/ns/net")
    descriptors = Path("/proc").glob("[0-9]*/fd/[0-9]*")
    return any(_link(path) == held for path in (*tasks, *descriptors))


def _link(path: Path) -> str:
    try:
        return str(path.readlink())
    except OSError:
        return ""
