import platform
from dataclasses import FrozenInstanceError, replace
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from vmdriver import MICRO, PROFILES, PROFILES_OF, STOCK, STOCK_UEFI, TUNED, VmConfig, diff
from vmdriver.libvirt.devices_xml import PORTS, SERIAL
from vmdriver.libvirt.domain_xml import domain_xml


def parsed(profile: str) -> ET.Element:
    config = VmConfig(
        "one", Path("/k"), Path("/i"), Path("/d"), profile=profile, architecture="x86_64"
    )
    sockets = {port: Path(f"/s/{port}") for port in (SERIAL, *PORTS)}
    return ET.fromstring(domain_xml(config, sockets))


def test_profiles_are_read_and_not_written() -> None:
    with pytest.raises(FrozenInstanceError):
        TUNED.machine = "pc"  # type: ignore[misc]
    assert list(PROFILES_OF["x86_64"]) == ["tuned", "microvm", "stock", "uefi"]
    assert PROFILES_OF[platform.machine()] == PROFILES


def test_profiles_differ_where_they_say() -> None:
    assert diff(MICRO, TUNED) == ["machine: 'q35' -> 'microvm'"]
    assert diff(TUNED, TUNED) == []
    assert diff(STOCK_UEFI, STOCK) == ["firmware: 'seabios' -> 'uefi'"]
    fields = {line.partition(":")[0] for line in diff(STOCK, TUNED)}
    assert {"firmware", "kernel", "init", "bare", "pin", "video", "network"} <= fields


def test_stock_has_what_virt_install_gives_and_tuned_has_not() -> None:
    stock, tuned = parsed("stock").find("devices"), parsed("tuned").find("devices")
    assert stock is not None
    assert tuned is not None
    for device in ("video", "sound", "input", "rng", "interface"):
        assert stock.find(device) is not None, device
        assert tuned.find(device) is None, device
    assert len(stock.findall("controller[@model='pcie-root-port']")) == 14
    assert tuned.findall("controller[@type='pci']") == []


def test_a_host_without_qboot_gets_seabios(monkeypatch: pytest.MonkeyPatch) -> None:
    absent = {"tuned": replace(TUNED, firmware="/nowhere/qboot.rom")}
    monkeypatch.setattr("vmdriver.config.PROFILES_OF", {"x86_64": absent})
    config = VmConfig("one", Path("/k"), Path("/i"), Path("/d"), architecture="x86_64")
    assert config.resolved_profile().firmware == "seabios"
    assert parsed("tuned").find("os/loader") is None
