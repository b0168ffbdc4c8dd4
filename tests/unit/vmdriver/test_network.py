"""What a guest's network is to libvirt and to the guest."""

from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from vmdriver import STOCK, TUNED, ConfigError, Network, VmConfig
from vmdriver.libvirt.devices_xml import PORTS, SERIAL
from vmdriver.libvirt.domain_xml import domain_xml
from vmdriver.libvirt.kernel_command_line import kernel_command_line

BRIDGED = Network("198.18.0.9/22", gateway="198.18.0.1", bridge="br0", mac="52:54:00:12:34:56")


@pytest.fixture
def config(tmp_path: Path) -> VmConfig:
    for name in ("kernel", "initrd", "disk"):
        (tmp_path / name).write_bytes(b"x")
    return VmConfig(
        "one",
        tmp_path / "kernel",
        tmp_path / "initrd",
        tmp_path / "disk",
        architecture="x86_64",
    )


def interfaces(config: VmConfig) -> list[ET.Element]:
    sockets = {port: Path(f"/s/{port}") for port in (SERIAL, *PORTS)}
    return ET.fromstring(domain_xml(config, sockets)).findall("devices/interface")


def test_without_a_network_a_tuned_guest_has_no_interface(config: VmConfig) -> None:
    assert interfaces(config) == []
    assert "virtio_net" not in kernel_command_line(config)
    (unconfigured,) = interfaces(replace(config, profile=STOCK))
    assert unconfigured.get("type") == "user"
    assert "tare.net" not in kernel_command_line(replace(config, profile=STOCK))


@pytest.mark.parametrize("profile", [TUNED, STOCK])
def test_a_bridge_is_taken_by_its_name_and_nothing_else_is_there(
    config: VmConfig, profile: object
) -> None:
    (interface,) = interfaces(replace(config, network=BRIDGED, profile=profile))  # type: ignore[arg-type]
    assert interface.get("type") == "bridge"
    assert {child.tag: child.attrib for child in interface if child.tag in {"source", "mac"}} == {
        "source": {"bridge": "br0"},
        "mac": {"address": "52:54:00:12:34:56"},
    }


def test_the_guest_is_told_its_address_and_loads_the_driver(config: VmConfig) -> None:
    told = kernel_command_line(replace(config, network=BRIDGED)).split()
    assert "tare.net=198.18.0.9/22,198.18.0.1," in told
    assert any(word.startswith("tare.load=") and "virtio_net" in word for word in told)
    user = kernel_command_line(replace(config, network=Network.user()))
    assert "tare.net=10.0.2.15/24,10.0.2.2,10.0.2.3" in user


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"address": "198.18.0.9"}, "lacks its prefix"),
        ({"address": "198.18.0.256/22"}, "cannot have this address"),
        ({"gateway": "198.19.0.1"}, "not in the guest's subnet 198.18.0.0/22"),
        ({"gateway": "no"}, "cannot have this address"),
        ({"bridge": "a b"}, "'a b' cannot name a bridge"),
        ({"bridge": "x" * 16}, "cannot name a bridge"),
        ({"mac": "53:54:00:12:34:56"}, "cannot be a guest's link-layer address"),
    ],
)
def test_what_cannot_be_a_network_is_refused(
    config: VmConfig, change: dict[str, str], words: str
) -> None:
    with pytest.raises(ConfigError, match=words):
        replace(config, network=replace(BRIDGED, **change)).check()  # type: ignore[arg-type]
