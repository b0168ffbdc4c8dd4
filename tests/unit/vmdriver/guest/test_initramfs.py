import bz2
import gzip
import lzma
import shutil
import struct
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from vmdriver.architecture import ARCHITECTURES
from vmdriver.errors import GuestBuildError
from vmdriver.guest import build_initramfs, cpio, extract_vmlinux, relay
from vmdriver.guest.modules import Modules, modinfo

SETUP_SECTORS = 3


def elf(content: bytes = b"kernel") -> bytes:
    """The smallest ELF file with one loadable segment."""
    header = bytearray(64)
    header[:5] = b"\x7fELF\x02"
    struct.pack_into("<Q", header, 0x20, 64)
    struct.pack_into("<H", header, 0x38, 1)
    segment = struct.pack("<IIQQQQQQ", 1, 5, 120, 0, 0, len(content), len(content), 0)
    return bytes(header) + segment + content


def bzimage(payload: bytes) -> bytes:
    image = bytearray((SETUP_SECTORS + 1) * 512)
    image[0x1F1] = SETUP_SECTORS
    image[0x202:0x206] = b"HdrS"
    struct.pack_into("<II", image, 0x248, 16, len(payload))
    return bytes(image) + b"\0" * 16 + payload + b"signature"


def by_tool(tool: str) -> Callable[[bytes], bytes]:
    arguments = [tool, "-q", "-c", *(["-l"] if tool == "lz4" else [])]
    return lambda data: (
        subprocess.run(arguments, input=data, capture_output=True, check=True).stdout
    )


SIZE = b"\x10\0\0\0"
COMPRESSORS: dict[str, Callable[[bytes], bytes]] = {
    "zstd": lambda data: by_tool("zstd")(data) + SIZE,
    "lz4": lambda data: by_tool("lz4")(data) + SIZE,
    "xz": lambda data: lzma.compress(data) + SIZE,
    "lzma": lambda data: lzma.compress(data, format=lzma.FORMAT_ALONE) + SIZE,
    "bzip2": lambda data: bz2.compress(data) + SIZE,
    "gzip": gzip.compress,
    "none": lambda data: data,
}


@pytest.mark.parametrize("compressor", COMPRESSORS)
def test_the_kernel_comes_out_as_it_went_in(compressor: str, tmp_path: Path) -> None:
    source, out = tmp_path / "vmlinuz", tmp_path / "vmlinux"
    source.write_bytes(bzimage(COMPRESSORS[compressor](elf())))
    extract_vmlinux(source, out)
    assert out.read_bytes() == elf()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "too short"),
        (b"text" * 1000, "neither an x86 nor an arm64 Linux kernel"),
        (bzimage(gzip.compress(elf(), mtime=0))[:-30], "truncated"),
        (bzimage(gzip.compress(elf(), mtime=0)[:-9]), "cannot decompress"),
        (bzimage(gzip.compress(b"no kernel", mtime=0)), "64-bit ELF"),
        (bzimage(gzip.compress(elf(b"x" * 99)[:-10], mtime=0)), "truncated"),
        (bzimage(b"\x89unknown"), "unknown way"),
        (elf(b"x" * 99)[:-10], "truncated"),
    ],
)
def test_a_damaged_kernel_is_named_and_leaves_nothing(
    content: bytes, words: str, tmp_path: Path
) -> None:
    source = tmp_path / "vmlinuz"
    source.write_bytes(content)
    with pytest.raises(GuestBuildError, match=words) as caught:
        extract_vmlinux(source, tmp_path / "vmlinux")
    assert str(source) in str(caught.value)
    assert list(tmp_path.iterdir()) == [source]


def test_a_missing_kernel_is_named(tmp_path: Path) -> None:
    with pytest.raises(GuestBuildError, match=r"nowhere: No such file"):
        extract_vmlinux(tmp_path / "nowhere", tmp_path / "vmlinux")


def test_other_programs_read_the_archive(tmp_path: Path) -> None:
    data = cpio.archive(
        [cpio.directory("d", 0o750), cpio.file("d/odd", b"xyz", 0o640), cpio.file("empty", b"")]
    )
    subprocess.run(
        ["cpio", "-i", "--quiet"], input=data, cwd=tmp_path, check=True, capture_output=True
    )
    assert (tmp_path / "d" / "odd").read_bytes() == b"xyz"
    assert (tmp_path / "d" / "odd").stat().st_mode & 0o777 == 0o640
    assert (tmp_path / "empty").read_bytes() == b""


def module(depends: str) -> bytes:
    return b"\x7fELF\0license=GPL\0depends=" + depends.encode() + b"\0name=x\0"


@pytest.fixture
def modules(tmp_path: Path) -> Path:
    """A kernel package's modules: an xz one, a zstd one, a dependency, one built in."""
    folder = tmp_path / "modules"
    (folder / "kernel" / "fs").mkdir(parents=True)
    (folder / "kernel" / "fs" / "erofs.ko.xz").write_bytes(
        lzma.compress(module("libcrc32c,net-fs"))
    )
    (folder / "kernel" / "libcrc32c.ko").write_bytes(module(""))
    (folder / "kernel" / "net_fs.ko.zst").write_bytes(by_tool("zstd")(module("libcrc32c")))
    (folder / "kernel" / "virtio_blk.ko").write_bytes(module(""))
    built_in = ("fs/overlayfs/overlay", "drivers/virtio/virtio_pci", "char/virtio_console")
    (folder / "modules.builtin").write_text("".join(f"kernel/{name}.ko\n" for name in built_in))
    return folder


def test_modules_come_after_what_they_need(modules: Path) -> None:
    found = Modules(modules).ordered(("virtio_blk", "erofs", "overlay"))
    assert [name for name, _ in found] == ["virtio_blk", "libcrc32c", "net_fs", "erofs"]
    assert dict(found)["erofs"] == module("libcrc32c,net-fs")


def test_what_a_module_asks_for_by_another_name_comes_before_it(modules: Path) -> None:
    library = module("") + b"softdep=pre: crc32c missing post: late\0"
    (modules / "kernel" / "libcrc32c.ko").write_bytes(library)
    for name in ("crc32c-intel", "crc32c_generic"):
        (modules / "kernel" / f"{name}.ko").write_bytes(module(""))
    (modules / "modules.alias").write_text(
        "# Aliases\nalias pci:v*d* virtio_pci\nalias crc32c crc32c_intel\n"
        "alias crc32c crc32c_generic\n"
    )
    found = [name for name, _ in Modules(modules).ordered(("erofs",))]
    assert found == ["crc32c_generic", "libcrc32c", "net_fs", "erofs"]
    # A kernel that has it built in needs no other, least of all one for a CPU of its own.
    (modules / "kernel" / "crc32c_generic.ko").unlink()
    with (modules / "modules.builtin").open("a") as built_in:
        built_in.write("kernel/crypto/crc32c_generic.ko\n")
    (modules / "modules.builtin.modinfo").write_bytes(b"crc32c_generic.alias=crc32c\0x.license=G")
    found = [name for name, _ in Modules(modules).ordered(("erofs",))]
    assert found == ["libcrc32c", "net_fs", "erofs"]


def test_a_missing_module_is_named_unless_it_may_be_missing(modules: Path) -> None:
    known = Modules(modules)
    with pytest.raises(GuestBuildError, match="module squashfs is neither below"):
        known.ordered(("squashfs",))
    assert known.ordered(("squashfs",), optional=True) == []
    with pytest.raises(GuestBuildError, match="no kernel modules at"):
        Modules(modules / "nowhere")


def test_modinfo_of_a_key_that_is_not_there() -> None:
    assert not modinfo(module(""), "alias")


def static_program(machine: int = 62) -> bytes:
    """As much of an ELF program as tells its architecture."""
    return b"\x7fELF\2\1\1".ljust(18, b"\0") + struct.pack("<H", machine)


def test_the_initramfs_is_the_same_each_time(modules: Path, tmp_path: Path) -> None:
    busybox = tmp_path / "busybox"
    busybox.write_bytes(static_program())
    one, two = tmp_path / "one", tmp_path / "two"
    build_initramfs(modules, busybox, one)
    build_initramfs(modules, busybox, two)
    assert one.read_bytes() == two.read_bytes()
    listing = subprocess.run(
        ["cpio", "-it", "--quiet"], input=one.read_bytes(), capture_output=True, check=True
    )
    names = listing.stdout.decode().split()
    assert {"init", "agent.sh", "bin/busybox", "dev/console"} <= set(names)
    assert [name for name in names if name.startswith("modules/")] == [
        "modules/virtio_blk",
        "modules/virtio_blk/00-virtio_blk.ko",
        "modules/erofs",
        "modules/erofs/00-libcrc32c.ko",
        "modules/erofs/01-net_fs.ko",
        "modules/erofs/02-erofs.ko",
    ]


def test_the_initramfs_is_of_its_busybox_s_architecture(modules: Path, tmp_path: Path) -> None:
    busybox, out = tmp_path / "busybox", tmp_path / "out"
    for architecture in ARCHITECTURES.values():
        busybox.write_bytes(static_program(architecture.elf))
        build_initramfs(modules, busybox, out)
        assert relay.program(architecture) in out.read_bytes()
    busybox.write_bytes(static_program(243))
    with pytest.raises(GuestBuildError, match="is no program of x86_64 or aarch64"):
        build_initramfs(modules, busybox, out)


@pytest.mark.parametrize("linker", ["/lib64/ld-linux-x86-64.so.2", "/lib/ld-linux-aarch64.so.1"])
def test_a_dynamic_busybox_is_refused(linker: str, modules: Path, tmp_path: Path) -> None:
    busybox = tmp_path / "busybox"
    busybox.write_bytes(b"\x7fELF " + linker.encode())
    with pytest.raises(GuestBuildError, match="install busybox-static"):
        build_initramfs(modules, busybox, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_guest_s_scripts_are_shell() -> None:
    folder = Path(cpio.__file__).parent
    busybox = shutil.which("busybox")
    assert busybox is not None
    for script in ("init.sh", "agent.sh"):
        done = subprocess.run(
            [busybox, "sh", "-n", folder / script], capture_output=True, check=False
        )
        assert (done.returncode, done.stderr) == (0, b"")
