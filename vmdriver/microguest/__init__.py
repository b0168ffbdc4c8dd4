"""The audit's micro-guest: its bytes, and the same loop for this host's own CPU.

``loop.S`` beside this file is the source; a test assembles it and compares.
"""

GUEST = bytes.fromhex(
    "fa2e660f011640ff0f20c00c010f22c066ea18ffffff0800bb00100000b02ee6"
    "e989d94975fd01db75f3e6e9f4ebfd900000000000000000ffff0000009bcf00"
    "0f0030ffffff"
).ljust(0xF0, b"\0") + bytes.fromhex("e90dff").ljust(16, b"\0")
"""The last 256 bytes of a PC's firmware."""

ROM_SIZE = 1 << 16
FIRST_ROUND = 1 << 12
"""Loops of the first round; each further round has twice as many."""

NATIVE = bytes.fromhex(
    "89f9"  # mov ecx, edi
    "ffc9"  # count: dec ecx
    "75fc"  # jnz count
    "c3"  # ret
)
"""``void loop(uint32_t count)`` for x86-64, System V ABI: the same two instructions."""

READ_TSC = bytes.fromhex(
    "0f31"  # rdtsc
    "48c1e220"  # shl rdx, 32
    "4809d0"  # or rax, rdx
    "c3"  # ret
)
"""``uint64_t tsc(void)`` likewise."""


def rom() -> bytes:
    """The firmware image: QEMU maps its end below 4 GiB, where a PC begins."""
    return GUEST.rjust(ROM_SIZE, b"\0")
