import struct

import pytest

from vmdriver.errors import GuestBuildError
from vmdriver.guest.pvh import announce_entry

HEADER = struct.Struct("<IIQQQQQQ")
ENTRY = 0x1000040


def kernel(*, load_at: int = 0x1000000, name: bytes = b"Xen\0") -> bytes:
    """An ELF file with a note that names its PVH entry, as Linux has it."""
    other = struct.pack("<III", 4, 3, 6) + b"GNU\0" + b"abc\0"
    note = other + struct.pack("<III", 4, 4, 18) + name + struct.pack("<I", ENTRY)
    header = bytearray(64)
    header[:5] = b"\x7fELF\x02"
    struct.pack_into("<Q", header, 0x20, 64)
    struct.pack_into("<H", header, 0x38, 2)
    text = b"the kernel itself"
    at = 64 + 2 * HEADER.size
    segments = HEADER.pack(1, 5, at, load_at, load_at, len(text), len(text), 4096)
    segments += HEADER.pack(4, 4, at + len(text), 0, 0, len(note), len(note), 4)
    return bytes(header) + segments + text + note


def segments(elf: bytes) -> list[tuple[int, ...]]:
    (at,), (count,) = struct.unpack_from("<Q", elf, 0x20), struct.unpack_from("<H", elf, 0x38)
    return [HEADER.unpack_from(elf, at + number * HEADER.size) for number in range(count)]


def test_the_entry_writes_a_byte_and_goes_on_where_it_would_have_begun() -> None:
    before = kernel()
    after = announce_entry(before)
    *known, new = segments(after)
    assert known == segments(before)
    kind, flags, offset, _virtual, physical, size, _memory, _align = new
    assert (kind, flags) == (1, 5)
    code = after[offset : offset + size]
    # mov dx, 0x3f8; mov al, newline; out dx, al; jmp
    assert code[:8] == bytes.fromhex("66baf803b00aeee9")
    (distance,) = struct.unpack("<i", code[8:])
    assert physical + len(code) + distance == ENTRY
    note_at = before.index(struct.pack("<I", ENTRY))
    assert struct.unpack_from("<I", after, note_at) == (physical,)


def test_nothing_else_of_the_kernel_changes() -> None:
    before = kernel()
    after = announce_entry(before)
    changed = {at for at in range(len(before)) if before[at] != after[at]}
    note_at = before.index(struct.pack("<I", ENTRY))
    assert changed <= {*range(0x20, 0x28), 0x38, *range(note_at, note_at + 4)}


def test_a_kernel_without_that_entry_stays_as_it_is() -> None:
    other = kernel(name=b"Abc\0")
    assert announce_entry(other) == other


def test_a_kernel_with_no_room_before_it_is_refused() -> None:
    with pytest.raises(GuestBuildError, match="no room"):
        announce_entry(kernel(load_at=0x100000))
