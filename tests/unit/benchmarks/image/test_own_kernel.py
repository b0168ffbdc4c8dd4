"""Kernels that lie on the host: its own, and one that is named."""

import os
import shutil
import struct
from pathlib import Path

import pytest

from benchmarks.image import own_kernel
from benchmarks.image.errors import BadKernelError
from tests.unit.benchmarks.image.stand_ins import PVH, elf, plant_kernel, programs

RELEASE = os.uname().release


@pytest.fixture
def host(tmp_path: Path) -> Path:
    """A host that keeps its kernel where Debian does."""
    plant_kernel(tmp_path / "host", RELEASE)
    return tmp_path / "host"


def test_it_is_found_and_copied_as_a_package_would_lie(
    host: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs(tmp_path / "bin")
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:/usr/bin:/bin")
    own = own_kernel.find(host)
    assert own is not None
    assert own_kernel.why_not(own) is None
    folder = tmp_path / "kernel"
    made = own_kernel.copy(own, folder, log=tmp_path / "log")
    assert (made.package, made.release) == ("the host's own", RELEASE)
    assert (folder / "boot" / f"vmlinuz-{RELEASE}").read_bytes() == elf(note=PVH)
    assert (folder / "boot" / f"config-{RELEASE}").is_file()
    assert (folder / "lib" / "modules" / RELEASE / "modules.builtin").is_file()
    assert not (folder / "lib" / "modules" / RELEASE / "build").is_symlink()


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


def test_fedora_and_arch_keep_it_beside_its_modules(host: Path) -> None:
    modules = host / "usr" / "lib" / "modules" / RELEASE
    (host / "boot" / f"vmlinuz-{RELEASE}").rename(modules / "vmlinuz")
    own = own_kernel.find(host)
    assert own is not None
    assert own.image == modules / "vmlinuz"


def test_one_that_is_named_brings_its_modules_or_finds_them(host: Path, tmp_path: Path) -> None:
    kernel = host / "boot" / f"vmlinuz-{RELEASE}"
    modules = host / "usr" / "lib" / "modules" / RELEASE
    assert own_kernel.given(kernel, modules).release == RELEASE
    assert own_kernel.given(kernel, root=host).modules == modules
    with pytest.raises(BadKernelError, match=r"has no modules at .*; name its .* with --modules"):
        own_kernel.given(kernel, root=tmp_path)


def test_one_that_is_named_must_be_a_guest_s(host: Path, tmp_path: Path) -> None:
    text = tmp_path / "vmlinuz-6.1"
    text.write_text("no kernel")
    modules = host / "usr" / "lib" / "modules" / RELEASE
    with pytest.raises(BadKernelError, match="cannot be a guest's"):
        own_kernel.given(text, modules)
    with pytest.raises(BadKernelError, match="cannot read the kernel"):
        own_kernel.given(tmp_path / "nowhere", modules)


def test_a_bzimage_says_its_own_release(host: Path, tmp_path: Path) -> None:
    image = bytearray(0x400)
    image[0x202:0x206] = b"HdrS"
    struct.pack_into("<H", image, 0x20E, 0x100)
    image[0x300:0x31C] = b"6.1.0-test (me@here) #1 SMP\0"
    path = tmp_path / "kernel"
    path.write_bytes(image)
    with pytest.raises(BadKernelError, match=r"modules at .*/lib/modules/6\.1\.0-test;"):
        own_kernel.given(path, root=host)
