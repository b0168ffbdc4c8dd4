"""The host's own kernel, taken where it can be a guest's."""

import os
import shutil
import struct
from pathlib import Path

import pytest

from benchmarks.image import builder, own_kernel
from benchmarks.image.sources import Host

RELEASE = os.uname().release


def elf(*, note: bytes) -> bytes:
    header = bytearray(64)
    header[:5] = b"\x7fELF\x02"
    struct.pack_into("<Q", header, 0x20, 64)
    struct.pack_into("<H", header, 0x38, 2)
    segments = struct.pack("<IIQQQQQQ", 1, 5, 176, 1 << 24, 1 << 24, 4, 4, 4096)
    segments += struct.pack("<IIQQQQQQ", 4, 4, 180, 0, 0, len(note), len(note), 4)
    return bytes(header) + segments + b"text" + note


PVH = struct.pack("<III", 4, 4, 18) + b"Xen\0" + struct.pack("<I", 1 << 24)


@pytest.fixture
def host(tmp_path: Path) -> Path:
    """A host that keeps its kernel where Debian does."""
    root = tmp_path / "host"
    modules = root / "usr" / "lib" / "modules" / RELEASE
    modules.mkdir(parents=True)
    names = ("virtio_pci", "virtio_console", "virtio_blk", "erofs", "overlay")
    (modules / "modules.builtin").write_text("".join(f"kernel/{name}.ko\n" for name in names))
    (root / "boot").mkdir()
    (root / "boot" / f"vmlinuz-{RELEASE}").write_bytes(elf(note=PVH))
    (root / "boot" / f"config-{RELEASE}").write_text("CONFIG_PVH=y\n")
    return root


def test_it_is_found_and_copied_as_a_package_would_lie(host: Path, tmp_path: Path) -> None:
    own = own_kernel.find(host)
    assert own is not None
    assert own_kernel.why_not(own) is None
    folder = tmp_path / "kernel"
    folder.mkdir()
    made = own_kernel.copy(own, folder, log=tmp_path / "log")
    assert (made.package, made.release) == ("the host's own", RELEASE)
    assert (folder / "boot" / f"vmlinuz-{RELEASE}").read_bytes() == elf(note=PVH)
    assert (folder / "boot" / f"config-{RELEASE}").is_file()
    assert (folder / "lib" / "modules" / RELEASE / "modules.builtin").is_file()


def test_a_host_without_a_file_of_it_has_none(host: Path) -> None:
    shutil.rmtree(host / "usr")
    assert own_kernel.find(host) is None


def test_one_that_cannot_be_a_guest_s_says_why(host: Path) -> None:
    own = own_kernel.find(host)
    assert own is not None
    own.image.write_bytes(elf(note=b""))
    assert "has no PVH entry" in (own_kernel.why_not(own) or "")
    (own.modules / "modules.builtin").write_text("kernel/virtio_pci.ko\n")
    assert "the kernel module virtio_console is neither" in (own_kernel.why_not(own) or "")


def test_another_kernel_of_the_host_makes_another_image(
    host: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    debian = Host("debian", "trixie")
    monkeypatch.setattr("benchmarks.image.own_kernel.find", lambda: None)
    without = builder.recipe_of(debian, ())
    found = own_kernel.OwnKernel(RELEASE, "#1", host / "boot", host)
    monkeypatch.setattr("benchmarks.image.own_kernel.find", lambda: found)
    assert builder.recipe_of(debian, ()) != without
