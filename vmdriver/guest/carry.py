"""The guest's carrier of output, as a program: ``carry.S`` beside this file is the source.

Bytes are kept, as the audit's guest is, so that no guest needs an assembler to be made; a test
assembles the source and compares.
"""

import struct

CODE = bytes.fromhex(
    "48b80000000001000000504889e7be01000000baffffffffb8070000000f0559"
    "85c07edc31ff31f6ba010000004531d241b80000010041b901000000b8130100"
    "000f054885c07fb8bf01000000b83c0000000f05"
)
"""x86-64 machine code that needs no place of its own."""

_BASE = 0x400000
_HEADERS = 64 + 56
_READ_EXECUTE = 5


def program() -> bytes:
    """A static ELF executable of `CODE` (elf(5)): one segment that is the whole file."""
    size = _HEADERS + len(CODE)
    header = struct.pack(
        *("<4s4B8x2HI3QI6H", b"\x7fELF", 2, 1, 1, 0, 2, 62, 1),
        *(_BASE + _HEADERS, 64, 0, 0, 64, 56, 1, 0, 0, 0),
    )
    segment = struct.pack("<2I6Q", 1, _READ_EXECUTE, 0, _BASE, _BASE, size, size, 0x1000)
    return header + segment + CODE
