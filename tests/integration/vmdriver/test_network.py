"""A guest on the bridge that containers have, in network namespaces that the tests make.

libvirt is embedded, so that it makes the tap device where the calling thread is.
"""

import hashlib
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

import runtime.network
from tests.framework.fault_table import told
from tests.framework.network_namespaces import Namespace, interfaces
from tests.integration.vmdriver.conftest import Configure
from vmdriver import Driver, Network, Vm, leftovers

ENGINE = "tare-0123456789ab"


@pytest.fixture
def host() -> Iterator[Namespace]:
    namespace = Namespace()
    yield namespace
    namespace.close()


@pytest.fixture
def container() -> Iterator[Namespace]:
    namespace = Namespace()
    yield namespace
    namespace.close()


def serve_once(namespace: Namespace, address: str, content: bytes) -> int:
    """Sends `content` to the first who connects; the port."""
    with namespace.entered():
        server = socket.create_server((address, 0))

    def serve() -> None:
        with server:
            server.settimeout(30)
            stream, _ = server.accept()
            with stream:
                stream.sendall(content)

    threading.Thread(target=serve, daemon=True).start()
    return int(server.getsockname()[1])


def fetch(vm: Vm, address: str, port: int) -> bytes:
    return vm.run_script(f"nc {address} {port} < /dev/null", timeout_s=60).stdout


def test_a_guest_and_a_container_meet_on_one_bridge(
    driver: Driver, configure: Configure, host: Namespace, container: Namespace
) -> None:
    content = hashlib.shake_128(b"tare").digest(3_000_000)
    with host.entered(), runtime.network.Network(ENGINE, nat=False) as network:
        attachment = network.attach(container.path)
        neighbour = str(attachment.address.ip)
        before = interfaces()
        subnet = network.bridge.subnet
        own = subnet[-2]  # the last that a host can have: attach() begins with the first
        config = configure(
            name="bridged",
            network=Network(
                f"{own}/{subnet.prefixlen}",
                gateway=str(attachment.gateway),
                bridge=network.bridge.name,
            ),
        )
        with driver.start(config) as vm:
            assert len(interfaces() - before) == 1
            for other in (neighbour, attachment.gateway):
                assert vm.run_script(f"ping -c 1 -W 5 {other}").exit_code == 0, other
            assert container.pings(own)
            port = serve_once(container, neighbour, content)
            assert fetch(vm, neighbour, port) == content
            routes = vm.run_script("ip route").stdout.decode()
            assert f"default via {attachment.gateway}" in routes
        assert interfaces() == before
    assert leftovers(driver.state) == []


def test_qemu_s_own_network_reaches_the_host_s_user(
    driver: Driver, configure: Configure, host: Namespace
) -> None:
    with host.entered():
        before = interfaces()
        with driver.start(configure(name="user", network=Network.user())) as vm:
            assert interfaces() == before
            # The gateway stands for the host's loopback.
            port = serve_once(host, "127.0.0.1", b"from the host")
            assert fetch(vm, "10.0.2.2", port) == b"from the host"
            assert vm.exec(["cat", "/etc/resolv.conf"]).stdout == b"nameserver 10.0.2.3\n"
    assert leftovers(driver.state) == []


def test_a_bridge_that_is_not_there(driver: Driver, configure: Configure) -> None:
    with told("bridge missing"):
        driver.start(configure(network=Network("198.18.0.9/22", bridge="tare-none")))
    assert not Path("/sys/class/net/tare-none").exists()
    assert leftovers(driver.state) == []
