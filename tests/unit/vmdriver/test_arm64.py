"""Guests of arm64: the kernel's form and entry, and the domain of QEMU's machine virt."""

import gzip
import platform
import shutil
import struct
import subprocess
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmdriver import (
    PROFILES_OF,
    STOCK,
    VIRT_STOCK,
    VIRT_TUNED,
    ConfigError,
    VmConfig,
    diff,
)
from vmdriver.errors import GuestBuildError
from vmdriver.guest import arm64, check_kernel, extract_vmlinux
from vmdriver.host import uefi
from vmdriver.libvirt.devices_xml import PORTS, SERIAL
from vmdriver.libvirt.domain_xml import domain_xml
from vmdriver.libvirt.kernel_command_line import kernel_command_line

SOURCE = Path("/boot/vmlinuz")
NOP_MZ, BRANCH = 0xFA405A4D, 0x14000000
CROSS = "aarch64-linux-gnu-"
X86_ONLY = ("apic", "vmport", "smm", "ps2", "pae")


def image(content: bytes = b"text" * 64, *, entry: int = 64, efi: bool = True) -> bytes:
    """The smallest Image whose PE header has one section, all of the file."""
    at = 4 if efi else 0
    words = [NOP_MZ, 0] if efi else [0, 0]
    words[at // 4] = BRANCH | (entry - at) // 4
    section = 64 + 24 + 8
    size = section + 40 + len(content)
    header = struct.pack("<2I3Q24x4sI", *words, 0, size + 4096, 0xA, b"ARM\x64", 64 if efi else 0)
    pe = b"PE\0\0" + struct.pack("<2H12x2H", 0xAA64, 1, 8, 0) + bytes(8)
    return header + pe + struct.pack("<8x4I16x", size, 0, size, 0) + content


def leads_to(kernel: bytes, at: int) -> int:
    """Where the branch at ``at`` goes."""
    (word,) = struct.unpack_from("<I", kernel, at)
    assert word >> 26 == BRANCH >> 26
    return at + ((word & 0x3FFFFFF) - (word >> 25 & 1) * (1 << 26)) * 4


@given(
    entry=st.integers(16, 40).map(lambda words: words * 4),
    efi=st.booleans(),
    content=st.binary(min_size=100, max_size=300),
)
def test_the_entry_is_led_through_what_announces_it(
    *, entry: int, efi: bool, content: bytes
) -> None:
    kernel = image(content, entry=entry, efi=efi)
    changed = arm64.announce_entry(kernel)
    at = 4 if efi else 0
    stub = leads_to(changed, at)
    assert stub >= len(kernel)
    assert changed[stub:].startswith(arm64._CODE)
    assert leads_to(changed, stub + len(arm64._CODE)) == entry
    assert changed[at + 4 : 16] + changed[24 : len(kernel)] == kernel[at + 4 : 16] + kernel[24:]
    (reserved,) = struct.unpack_from("<Q", changed, 16)
    assert reserved >= len(changed)


@pytest.mark.skipif(shutil.which(f"{CROSS}as") is None, reason=f"there is no {CROSS}as here")
def test_the_bytes_of_the_entry_are_those_of_their_assembly(tmp_path: Path) -> None:
    source = "mov x9, #0x9000000\nmov w10, #0x301\nstr w10, [x9, #0x30]\n"
    source += "mov w10, #'\\n'\nstr w10, [x9]\n"
    made, plain = tmp_path / "made.o", tmp_path / "made.bin"
    subprocess.run([f"{CROSS}as", "-o", made, "-"], input=source.encode(), check=True)
    subprocess.run([f"{CROSS}objcopy", "-O", "binary", "-j", ".text", made, plain], check=True)
    assert plain.read_bytes() == arm64._CODE


@pytest.mark.parametrize("how", ["as it is", "gzip", "zboot"])
def test_an_image_comes_out_of_what_distributions_make_of_it(how: str, tmp_path: Path) -> None:
    plain, packed = image(), gzip.compress(image(), mtime=0)
    zboot = struct.pack("<4s4s2I8x32s", b"MZ\0\0", b"zimg", 64, len(packed), b"gzip").ljust(64)
    file = {"as it is": plain, "gzip": packed, "zboot": zboot + packed + b"signature"}[how]
    assert arm64.image(file, SOURCE) == plain
    source, out = tmp_path / "vmlinuz", tmp_path / "out"
    source.write_bytes(file)
    extract_vmlinux(source, out)
    assert out.read_bytes() == arm64.announce_entry(plain)


def test_a_kernel_of_arm64_need_have_no_pvh_entry(tmp_path: Path) -> None:
    modules, kernel = tmp_path / "modules", tmp_path / "vmlinuz"
    modules.mkdir()
    names = ("virtio_pci", "virtio_console", "virtio_blk", "erofs", "overlay")
    (modules / "modules.builtin").write_text("".join(f"kernel/{name}.ko\n" for name in names))
    kernel.write_bytes(image())
    check_kernel(kernel, modules)


@pytest.mark.parametrize(
    ("file", "words"),
    [
        (image()[:-30], "is truncated: a section ends at byte"),
        (gzip.compress(image(), mtime=0)[:-30], "cannot decompress the kernel"),
        (b"MZ\0\0zimg".ljust(24, b"\0") + b"zstd".ljust(40, b"\0"), "compressed with zstd"),
    ],
)
def test_a_damaged_image_is_said_to_be_one(file: bytes, words: str) -> None:
    with pytest.raises(GuestBuildError, match=words):
        arm64.image(file, SOURCE)


def test_a_kernel_that_begins_with_no_branch_is_refused() -> None:
    with pytest.raises(GuestBuildError, match="does not begin with a branch"):
        arm64.announce_entry(struct.pack("<2I", NOP_MZ, NOP_MZ) + image()[8:])
    assert arm64.image(b"\x7fELF".ljust(99, b"\0"), SOURCE) is None


@pytest.fixture
def config(tmp_path: Path) -> VmConfig:
    for name in ("kernel", "initrd", "disk"):
        (tmp_path / name).write_bytes(b"x")
    paths = (tmp_path / name for name in ("kernel", "initrd", "disk"))
    return VmConfig("one", *paths, architecture="aarch64", cpuset={0})


def parsed(config: VmConfig) -> ET.Element:
    sockets = {port: Path(f"/s/{port}") for port in (SERIAL, *PORTS)}
    return ET.fromstring(domain_xml(config, sockets, variables=Path("/state/one.fd")))


def found(domain: ET.Element, path: str) -> ET.Element:
    element = domain.find(path)
    assert element is not None, path
    return element


def test_tuned_enters_the_kernel_without_firmware(config: VmConfig) -> None:
    config.check()
    domain = parsed(config)
    assert found(domain, "os/type").attrib == {"arch": "aarch64", "machine": "virt"}
    assert domain.find("os/loader") is None
    assert domain.findtext("os/kernel") == str(config.kernel)
    assert [feature.tag for feature in found(domain, "features")] == ["gic"]
    assert found(domain, "features/gic").get("version") == "3"
    assert found(domain, "cpu").get("mode") == "maximum"
    assert found(domain, "devices/serial/target/model").get("name") == "pl011"
    buses = {address.get("type") for address in domain.iterfind("devices//address")}
    assert buses == {"pci"}
    assert found(domain, "clock").findall("timer") == []


def test_the_console_is_the_pl011_from_the_first_word_on(config: VmConfig) -> None:
    told = kernel_command_line(config).split()
    assert {"console=ttyAMA0", "earlycon=pl011,0x9000000"} <= set(told)
    assert not [word for word in told if "ttyS0" in word or word.startswith(("tsc", "edd", "8250"))]


def test_kvm_gives_the_host_s_cpu_and_interrupt_controller(
    config: VmConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")
    kvm = replace(config, accelerator="kvm")
    kvm.check()
    domain = parsed(kvm)
    assert domain.get("type") == "kvm"
    assert found(domain, "cpu").get("mode") == "host-passthrough"
    assert found(domain, "features/gic").get("version") == "host"


def test_stock_is_what_virt_install_gives(
    config: VmConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    firmware = uefi.Firmware(Path("/usr/code.fd"), Path("/usr/vars.fd"))
    monkeypatch.setattr("vmdriver.host.uefi.find", lambda _machine: firmware)
    stock = replace(config, profile="stock")
    stock.check()
    domain = parsed(stock)
    assert domain.findtext("os/loader") == "/usr/code.fd"
    assert [feature.tag for feature in found(domain, "features")] == ["acpi", "gic"]
    assert len(domain.findall("devices/controller[@model='pcie-root-port']")) == 14
    assert [one.get("type") for one in domain.iterfind("devices/input")] == ["tablet", "keyboard"]
    for device in ("video", "rng", "interface"):
        assert domain.find(f"devices/{device}") is not None, device
    for absent in ("devices/sound", "pm", *(f"features/{name}" for name in X86_ONLY)):
        assert domain.find(absent) is None, absent
    assert [line.partition(":")[0] for line in diff(VIRT_STOCK, STOCK)] == [
        "cpu_tcg", "firmware", "machine", "sound",
    ]  # fmt: skip


def test_each_architecture_has_its_profiles() -> None:
    assert list(PROFILES_OF["aarch64"]) == ["tuned", "stock"]
    assert list(PROFILES_OF["x86_64"]) == ["tuned", "microvm", "stock", "uefi"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"architecture": "riscv64"}, "driven on x86-64 and arm64, not on riscv64"),
        ({"accelerator": "kvm"}, "own architecture, x86_64, and not of aarch64; use tcg"),
        ({"profile": "microvm"}, "no VM profile 'microvm' of aarch64; there are tuned, stock"),
        ({"profile": STOCK}, "aarch64 has no machine q35; use virt"),
        ({"architecture": "x86_64", "profile": VIRT_TUNED}, "x86_64 has no machine virt; use q35"),
        (
            {"profile": replace(VIRT_TUNED, firmware="seabios")},
            "machine virt has no firmware 'seabios'; use direct or uefi",
        ),
    ],
)
def test_what_an_architecture_has_not_is_said(
    config: VmConfig, change: dict[str, object], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    with pytest.raises(ConfigError, match=words):
        replace(config, **change).check()  # type: ignore[arg-type]


def test_a_host_of_another_architecture_drives_none(
    config: VmConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "riscv64")
    with pytest.raises(ConfigError, match="driven on x86-64 and arm64, not on riscv64"):
        config.check()
