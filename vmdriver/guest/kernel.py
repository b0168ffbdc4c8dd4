"""Take the uncompressed kernel out of a bzImage; `vmdriver.guest.arm64` does so on arm64.

An ELF kernel is entered by the PVH protocol: no real-mode code, no decompression inside the guest.
Layout of a bzImage: Linux ``Documentation/arch/x86/boot.rst`` (fields ``setup_sects`` at 0x1f1,
``payload_offset`` at 0x248 and ``payload_length`` at 0x24c, the former counted from the end of the
setup sectors). The build appends the size of the uncompressed kernel, 4 bytes, little endian, to
every compressor's output but gzip's, which ends with it itself (``scripts/Makefile.lib``).
"""

import bz2
import gzip
import lzma
import os
import struct
import subprocess
from pathlib import Path

from vmdriver.errors import GuestBuildError
from vmdriver.guest import arm64
from vmdriver.guest.modules import NEEDED, Modules
from vmdriver.guest.pvh import announce_entry, has_pvh_entry

_SECTOR = 512
_HEADER_END = 0x250
_SIZE_FIELD = 4
_EI_CLASS = 4
_ELFCLASS64 = 2
_ELF_MAGIC = b"\x7fELF"
_PHENTSIZE = 56


def check_kernel(bzimage: Path, modules: Path) -> None:
    """See whether a kernel can be a guest's: its entry, and what the guest needs to see its image.

    Args:
        bzimage: the kernel.
        modules: its ``…/lib/modules/RELEASE``.

    Raises:
        GuestBuildError: it cannot, and why; or as `extract_vmlinux`.
    """
    Modules(modules).ordered(NEEDED)
    kernel = _vmlinux(bzimage)
    if not arm64.is_image(kernel) and not has_pvh_entry(kernel):
        raise GuestBuildError(f"the kernel {bzimage} has no PVH entry (CONFIG_PVH)")


def extract_vmlinux(bzimage: Path, out: Path) -> None:
    """Write the uncompressed kernel in ``bzimage`` to ``out``; its entry announces itself.

    See `vmdriver.guest.pvh` for what that is, and `vmdriver.guest.arm64` for an ``Image``.

    Args:
        bzimage: a kernel of the x86 boot protocol 2.08 or later, or an ELF kernel (copied); an
            arm64 ``Image``, compressed or not.
        out: replaced in one step; untouched when anything fails.

    Raises:
        GuestBuildError: not a kernel, a truncated one, or a compressor this host cannot undo.
    """
    kernel = _vmlinux(bzimage)
    kernel = (arm64.announce_entry if arm64.is_image(kernel) else announce_entry)(kernel)
    partial = out.with_name(out.name + ".partial")
    try:
        partial.write_bytes(kernel)
        partial.replace(out)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise GuestBuildError(f"cannot write the kernel {out}: {error.strerror}") from error


def _vmlinux(bzimage: Path) -> bytes:
    try:
        image = bzimage.read_bytes()
    except OSError as error:
        raise GuestBuildError(f"cannot read the kernel {bzimage}: {error.strerror}") from error
    kernel = arm64.image(image, bzimage)
    if kernel is not None:
        return kernel
    kernel = (
        image if image.startswith(_ELF_MAGIC) else _decompress(_payload(image, bzimage), bzimage)
    )
    check_vmlinux(kernel, bzimage)
    return kernel


def check_vmlinux(kernel: bytes, source: Path) -> None:
    """Raise GuestBuildError unless ``kernel`` is a whole 64-bit ELF file."""
    if not kernel.startswith(_ELF_MAGIC) or kernel[_EI_CLASS] != _ELFCLASS64:
        raise GuestBuildError(f"{source} does not hold a 64-bit ELF kernel; give an x86-64 kernel")
    (offset,) = struct.unpack_from("<Q", kernel, 0x20)
    (count,) = struct.unpack_from("<H", kernel, 0x38)
    for entry in range(count):
        at = offset + entry * _PHENTSIZE
        if at + _PHENTSIZE > len(kernel):
            raise GuestBuildError(
                f"{source} is truncated within its program headers; fetch it again"
            )
        start, size = struct.unpack_from("<8xQ16xQ", kernel, at)
        if start + size > len(kernel):
            raise GuestBuildError(
                f"{source} is truncated: a segment ends at byte {start + size}, "
                f"the file at {len(kernel)}; fetch it again"
            )


def _payload(image: bytes, source: Path) -> bytes:
    if len(image) < _HEADER_END:
        raise GuestBuildError(f"{source} is too short to be a Linux kernel; fetch it again")
    if image[0x202:0x206] != b"HdrS":
        raise GuestBuildError(
            f"{source} is neither an x86 nor an arm64 Linux kernel; give a bzImage, a vmlinux or "
            "an Image"
        )
    setup_sectors = image[0x1F1] or 4  # 0 stands for 4, for backward compatibility
    offset, length = struct.unpack_from("<II", image, 0x248)
    start = (setup_sectors + 1) * _SECTOR + offset
    if length == 0:
        raise GuestBuildError(f"{source} names no payload (boot protocol before 2.08)")
    if start + length > len(image):
        raise GuestBuildError(
            f"{source} is truncated: its payload ends at byte {start + length}, "
            f"the file at {len(image)}; fetch it again"
        )
    return image[start : start + length]


def _decompress(payload: bytes, source: Path) -> bytes:
    try:
        kernel = _decode(payload)
    except (OSError, EOFError, lzma.LZMAError) as error:
        raise GuestBuildError(
            f"cannot decompress the kernel in {source}: {error}; fetch it again"
        ) from error
    if kernel is None:
        raise GuestBuildError(
            f"{source} is compressed in an unknown way: its payload begins {payload[:6].hex()}"
        )
    return kernel


def _decode(payload: bytes) -> bytes | None:
    body = payload[:-_SIZE_FIELD]
    if payload.startswith(b"\x28\xb5\x2f\xfd"):
        return _by_tool("zstd", body)
    if payload.startswith(b"\x02\x21\x4c\x18"):
        return _by_tool("lz4", body)
    if payload.startswith(b"\x1f\x8b\x08"):
        return gzip.decompress(payload)
    if payload.startswith((b"\xfd7zXZ\x00", b"\x5d\x00\x00")):
        return lzma.decompress(body)
    if payload.startswith(b"BZh"):
        return bz2.decompress(body)
    return payload if payload.startswith(_ELF_MAGIC) else None


def _by_tool(tool: str, body: bytes) -> bytes:
    try:
        done = subprocess.run(
            [tool, "-d", "-q", "-c"],
            input=body,
            capture_output=True,
            check=False,
            env={**os.environ, "LC_ALL": "C"},
        )
    except FileNotFoundError as error:
        raise OSError(f"the program {tool} is missing, install the package {tool}") from error
    if done.returncode != 0:
        raise OSError(done.stderr.decode(errors="replace").strip() or f"{tool} failed")
    return done.stdout
