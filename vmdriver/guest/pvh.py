"""Let an uncompressed kernel say when it is entered by PVH: its firmware is done.

Linux says nothing before its architecture set-up is well under way, and qboot says nothing at all.
So the PVH entry (Linux ``arch/x86/platform/pvh/head.S``; Xen ``docs/misc/pvh.pandoc``: 32-bit
protected mode without paging, ``%ebx`` points to the start info, everything else is free) is led
through 12 bytes of ours, which write one byte to the first serial port and jump to the kernel's own
first instruction. Nothing of the kernel's own bytes changes but the address in that ELF note.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from vmdriver.errors import GuestBuildError

BYTE = b"\n"
"""What arrives on the serial port: an empty line to who reads the console."""

_PORT = 0x3F8
_PT_LOAD, _PT_NOTE = 1, 4
_READ_EXECUTE = 5
_PHYS32_ENTRY = 18  # XEN_ELFNOTE_PHYS32_ENTRY, xen/include/public/elfnote.h
_HEADER = struct.Struct("<IIQQQQQQ")
_PAGE = 4096


@dataclass(frozen=True)
class _Segment:
    kind: int
    flags: int
    offset: int
    virtual: int
    physical: int
    in_file: int
    in_memory: int
    align: int


def announce_entry(kernel: bytes) -> bytes:
    """The ELF kernel, with an entry that announces itself; unchanged where it has no PVH entry.

    Args:
        kernel: a whole 64-bit ELF kernel (`vmdriver.guest.kernel.check_vmlinux`).

    Raises:
        GuestBuildError: it is loaded so low that our bytes have no place before it.
    """
    at, count, segments = _segments(kernel)
    note = next(_entries(kernel, segments), None)
    if note is None:
        return kernel
    lowest = min(segment.physical for segment in segments if segment.kind == _PT_LOAD)
    # The page before the kernel: RAM on every machine, and neither firmware uses memory there.
    place = (lowest - 1) // _PAGE * _PAGE
    if place < 1 << 20:
        raise GuestBuildError(
            f"the kernel is loaded at {lowest:#x}, below which there is no room; give another"
        )
    (entry,) = struct.unpack_from("<I", kernel, note)
    code = _code(place, entry)
    changed = bytearray(kernel)
    struct.pack_into("<I", changed, note, place)
    changed += bytes(-len(changed) % 16)
    code_at = len(changed)
    changed += code + bytes(-len(code) % 16)
    # The table of segments has no room to grow where it is, so it moves to the end.
    struct.pack_into("<Q", changed, 0x20, len(changed))
    struct.pack_into("<H", changed, 0x38, count + 1)
    changed += kernel[at : at + count * _HEADER.size]
    length = len(code)
    changed += _HEADER.pack(_PT_LOAD, _READ_EXECUTE, code_at, place, place, length, length, 1)
    return bytes(changed)


def has_pvh_entry(kernel: bytes) -> bool:
    """Whether the ELF kernel can be entered by PVH (Linux: CONFIG_PVH)."""
    return next(_entries(kernel, _segments(kernel)[2]), None) is not None


def _segments(kernel: bytes) -> tuple[int, int, list[_Segment]]:
    """Offset of the table of segments, their number, and they themselves."""
    (at,) = struct.unpack_from("<Q", kernel, 0x20)
    (count,) = struct.unpack_from("<H", kernel, 0x38)
    size = _HEADER.size
    return (
        at,
        count,
        [_Segment(*_HEADER.unpack_from(kernel, at + number * size)) for number in range(count)],
    )


def _code(place: int, entry: int) -> bytes:
    code = b"\x66\xba" + struct.pack("<H", _PORT)  # mov $port, %dx
    code += b"\xb0" + BYTE + b"\xee"  # mov $byte, %al; out %al, (%dx)
    jump_from = place + len(code) + 5
    return code + b"\xe9" + struct.pack("<i", entry - jump_from)  # jmp entry


def _entries(kernel: bytes, segments: list[_Segment]) -> Iterator[int]:
    """Offsets in the file of the PVH entry's address."""
    for segment in segments:
        if segment.kind != _PT_NOTE:
            continue
        at, end = segment.offset, segment.offset + segment.in_file
        while at + 12 <= end:
            name_size, value_size, kind = struct.unpack_from("<III", kernel, at)
            value = at + 12 + (name_size + 3 & ~3)
            if kind == _PHYS32_ENTRY and kernel[at + 12 : at + 16] == b"Xen\0":
                yield value
            at = value + (value_size + 3 & ~3)
