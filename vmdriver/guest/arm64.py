"""Read an arm64 kernel, and let it say when it is entered.

Sources: Linux ``Documentation/arch/arm64/booting.rst`` (the header of an ``Image``, and how it is
entered: with the MMU off, ``x0`` to ``x3`` in use and the other registers free) and
``drivers/firmware/efi/libstub/zboot-header.S``.

Entered directly, an ``Image`` begins with its first word. One of its first two words branches to
the kernel's own entry; here it branches to 24 bytes behind the file instead, which write one byte
to the serial port of QEMU's machine ``virt`` and branch on. Behind the file the kernel keeps what
it clears (``.bss``), which it does later. Nothing else of the kernel changes but the size that it
says it takes, where these bytes would lie beyond it; its EFI stub does not pass there.
"""

import gzip
import struct
import zlib
from pathlib import Path

from vmdriver.errors import GuestBuildError

_MAGIC_AT, _MAGIC = 56, b"ARM\x64"
_HEADER_SIZE = 64
_IMAGE_SIZE_AT = 16
_PE_AT = 60
_GZIP = b"\x1f\x8b\x08"
_SECTION = struct.Struct("<8x4I16x")  # size and address in memory, size and place in the file
_BRANCH, _DISTANCE = 0x14000000, (1 << 26) - 1
_REACH = 1 << 27
_ALIGN = 16

_CODE = bytes.fromhex(
    "0920a1d2"  # mov x9, #0x9000000, the PL011 (QEMU hw/arm/virt.c, VIRT_UART0)
    "2a608052"  # mov w10, #0x301
    "2a3100b9"  # str w10, [x9, #0x30]: UARTCR, enable it and its transmitter
    "4a018052"  # mov w10, #'\n'
    "2a0100b9"  # str w10, [x9]: UARTDR
)
"""What is led through before the branch to the kernel's own entry."""


def is_image(kernel: bytes) -> bool:
    """Whether this is an uncompressed arm64 kernel."""
    return len(kernel) >= _HEADER_SIZE and kernel[_MAGIC_AT:].startswith(_MAGIC)


def image(file: bytes, source: Path) -> bytes | None:
    """The ``Image`` in a kernel file of arm64's: itself, or compressed; None where it is none.

    Args:
        file: an ``Image``, one that gzip compressed, or an EFI zboot image.
        source: its name in a message.

    Raises:
        GuestBuildError: it is truncated, or a zboot image of another compressor than gzip.
    """
    content = file
    if file[:2] == b"MZ" and file[4:8] == b"zimg":
        start, size = struct.unpack_from("<II", file, 8)
        how = file[24:32].rstrip(b"\0").decode(errors="replace")
        if how != "gzip":
            raise GuestBuildError(
                f"{source} is an EFI zboot image compressed with {how}; only gzip is undone here"
            )
        content = file[start : start + size]
    if content.startswith(_GZIP):
        try:
            content = gzip.decompress(content)
        except (OSError, EOFError, zlib.error) as error:
            raise GuestBuildError(
                f"cannot decompress the kernel in {source}: {error}; fetch it again"
            ) from error
    if not is_image(content):
        return None
    _check(content, source)
    return content


def announce_entry(kernel: bytes) -> bytes:
    """The ``Image``, with an entry that announces itself by `vmdriver.guest.pvh.BYTE`.

    Raises:
        GuestBuildError: neither of its first two words is a branch, or it is too large for one.
    """
    place = len(kernel) + -len(kernel) % _ALIGN
    words = struct.unpack_from("<2I", kernel)
    at = next((n * 4 for n, word in enumerate(words) if word & ~_DISTANCE == _BRANCH), None)
    if at is None or place > _REACH - _HEADER_SIZE:
        raise GuestBuildError(
            "the arm64 kernel does not begin with a branch, or ends beyond its reach; give another"
        )
    entry = at + _offset(words[at // 4])
    jump_from = place + len(_CODE)
    stub = _CODE + _branch(entry - jump_from)
    changed = bytearray(kernel.ljust(place, b"\0") + stub)
    struct.pack_into("<4s", changed, at, _branch(place - at))
    (image_size,) = struct.unpack_from("<Q", kernel, _IMAGE_SIZE_AT)
    struct.pack_into("<Q", changed, _IMAGE_SIZE_AT, max(image_size, len(changed)))
    return bytes(changed)


def _check(kernel: bytes, source: Path) -> None:
    """Raise GuestBuildError where the file ends before a section of its PE header does."""
    (pe,) = struct.unpack_from("<I", kernel, _PE_AT)
    if kernel[pe : pe + 4] != b"PE\0\0":
        return  # built without an EFI stub: nothing says how long it is
    count, optional = struct.unpack_from("<2xH12xH", kernel, pe + 4)
    for number in range(count):
        at = pe + 24 + optional + number * (_SECTION.size)
        _memory, _address, size, start = _SECTION.unpack_from(kernel, at)
        if start + size > len(kernel):
            raise GuestBuildError(
                f"{source} is truncated: a section ends at byte {start + size}, the kernel at "
                f"{len(kernel)}; fetch it again"
            )


def _offset(branch: int) -> int:
    """Where it leads, in bytes from itself: 26 bits with a sign, in words (Arm DDI 0487, B)."""
    words = branch & _DISTANCE
    return (words - (1 << 26) if words & 1 << 25 else words) * 4


def _branch(offset: int) -> bytes:
    return struct.pack("<I", _BRANCH | offset // 4 & _DISTANCE)
