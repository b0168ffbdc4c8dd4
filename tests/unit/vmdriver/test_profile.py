import platform
from dataclasses import FrozenInstanceError, replace
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from vmdriver import MICRO, PROFILES, PROFILES_OF, STOCK, STOCK_UEFI, TUNED, VmConfig, diff
from vmdriver.host.hugepages import fits_huge_pages
from vmdriver.host.numa import cpu_list, nodes_of
from vmdriver.libvirt.devices_xml import PORTS, SERIAL
from vmdriver.libvirt.domain_xml import domain_xml

MEMINFO = "MemTotal: 1000000 kB\nHugePages_Free:     128\nHugepagesize:       2048 kB\n"
MOUNTS = "proc /proc proc rw 0 0\nhugetlbfs /dev/hugepages hugetlbfs rw 0 0\n"


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


@pytest.mark.parametrize(
    ("memory_mib", "meminfo", "mounts", "fits"),
    [
        (256, MEMINFO, MOUNTS, True),
        (257, MEMINFO, MOUNTS, False),
        (258, MEMINFO, MOUNTS, False),
        (255, MEMINFO, MOUNTS, False),
        (256, MEMINFO, "", False),
        (256, "MemTotal: 1 kB\n", MOUNTS, False),
    ],
)
def test_huge_pages_are_used_where_enough_are_free(
    memory_mib: int, meminfo: str, mounts: str, *, fits: bool
) -> None:
    assert fits_huge_pages(memory_mib, meminfo, mounts) == fits


def test_guest_ram_is_bound_to_the_nodes_of_its_cpus(tmp_path: Path) -> None:
    for node, cpus in enumerate(("0-3,8", "4-7", "")):
        (tmp_path / f"node{node}").mkdir()
        (tmp_path / f"node{node}" / "cpulist").write_text(f"{cpus}\n")
    (tmp_path / "possible").touch()
    assert nodes_of({8}, tmp_path) == (0,)
    assert nodes_of({3, 4}, tmp_path) == (0, 1)
    assert cpu_list("0-3,8") == [0, 1, 2, 3, 8]


def test_one_node_leaves_nothing_to_bind_to(tmp_path: Path) -> None:
    (tmp_path / "node0").mkdir()
    (tmp_path / "node0" / "cpulist").write_text("0-1\n")
    assert nodes_of({0}, tmp_path) == ()
