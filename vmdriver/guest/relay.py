"""Make the program that relays a command's output to a port, inside the guest.

``relay.S`` and ``relay_aarch64.S`` are the sources and say what it does. Their bytes are kept here,
so that no guest needs an assembler to be made; a test assembles the sources and compares.
"""

import struct
from collections.abc import Mapping

from vmdriver.architecture import AARCH64, X86_64, Architecture

CODE = bytes.fromhex(
    "48b80000000001000000504889e7be01000000baffffffffb8070000000f0559"
    "85c07edc31ff31f6ba010000004531d241b80000010041b901000000b8130100"
    "000f054885c07fb8bf01000000b83c0000000f05"
)
"""x86-64 machine code that needs no place of its own."""

CODE_AARCH64 = bytes.fromhex(
    "2000c0d2"  # wait: mov x0, #0x100000000
    "e00f1ff8"  # str x0, [sp, #-16]!
    "e0030091"  # mov x0, sp
    "210080d2"  # mov x1, #1
    "020080d2"  # mov x2, #0
    "030080d2"  # mov x3, #0
    "280980d2"  # mov x8, #73, ppoll
    "010000d4"  # svc #0
    "ff430091"  # add sp, sp, #16
    "1f000071"  # cmp w0, #0
    "cdfeff54"  # b.le wait
    "000080d2"  # mov x0, #0
    "010080d2"  # mov x1, #0
    "220080d2"  # mov x2, #1
    "030080d2"  # mov x3, #0
    "2400a0d2"  # mov x4, #0x10000
    "250080d2"  # mov x5, #1
    "880980d2"  # mov x8, #76, splice
    "010000d4"  # svc #0
    "1f0000f1"  # cmp x0, #0
    "8cfdff54"  # b.gt wait
    "200080d2"  # mov x0, #1
    "a80b80d2"  # mov x8, #93, exit
    "010000d4"  # svc #0
)
"""The same for arm64."""

_CODES: Mapping[str, bytes] = {X86_64.name: CODE, AARCH64.name: CODE_AARCH64}

_BASE = 0x400000
_HEADERS = 64 + 56
_READ_EXECUTE = 5


def program(architecture: Architecture) -> bytes:
    """A static ELF executable (elf(5)): one segment that is the whole file."""
    code = _CODES[architecture.name]
    size = _HEADERS + len(code)
    header = struct.pack(
        *("<4s4B8x2HI3QI6H", b"\x7fELF", 2, 1, 1, 0, 2, architecture.elf, 1),
        *(_BASE + _HEADERS, 64, 0, 0, 64, 56, 1, 0, 0, 0),
    )
    segment = struct.pack("<2I6Q", 1, _READ_EXECUTE, 0, _BASE, _BASE, size, size, 0x1000)
    return header + segment + code
