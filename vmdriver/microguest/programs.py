"""Hold the micro-guest of each architecture: its bytes, and its loop for the host's own CPU.

``loop.S`` and ``loop_aarch64.S`` beside this file are the sources; a test assembles and compares.
"""

from collections.abc import Mapping
from dataclasses import dataclass

GUEST = bytes.fromhex(
    "fa2e660f011640ff0f20c00c010f22c066ea18ffffff0800bb00100000b02ee6"
    "e989d94975fd01db75f3e6e9f4ebfd900000000000000000ffff0000009bcf00"
    "0f0030ffffff"
).ljust(0xF0, b"\0") + bytes.fromhex("e90dff").ljust(16, b"\0")
"""The last 256 bytes of a PC's firmware."""

GUEST_AARCH64 = bytes.fromhex(
    "001038d5"  # start: mrs x0, sctlr_el1
    "000074b2"  # orr x0, x0, #0x1000
    "001018d5"  # msr sctlr_el1, x0
    "df3f03d5"  # isb
    "0120a1d2"  # mov x1, #0x9000000
    "c2058052"  # mov w2, #'.'
    "03008252"  # mov w3, #0x1000
    "220000b9"  # round: str w2, [x1]
    "e403032a"  # mov w4, w3
    "84040071"  # count: subs w4, w4, #1
    "e1ffff54"  # b.ne count
    "6300032b"  # adds w3, w3, w3
    "61ffff54"  # b.ne round
    "220000b9"  # str w2, [x1]
    "00018052"  # mov w0, #8
    "0080b072"  # movk w0, #0x8400, lsl #16
    "020000d4"  # hvc #0
    "7f2003d5"  # rest: wfi
    "ffffff17"  # b rest
)
"""The whole firmware of QEMU's machine ``virt``."""

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

NATIVE_AARCH64 = bytes.fromhex(
    "00040071"  # count: subs w0, w0, #1
    "e1ffff54"  # b.ne count
    "c0035fd6"  # ret
)
"""The same for arm64, AAPCS64."""

READ_TSC = bytes.fromhex(
    "0f31"  # rdtsc
    "48c1e220"  # shl rdx, 32
    "4809d0"  # or rax, rdx
    "c3"  # ret
)
"""``uint64_t tsc(void)`` likewise, of x86-64 alone."""


@dataclass(frozen=True)
class MicroGuest:
    """What the audit runs on one architecture.

    Attributes:
        rom: the guest, as firmware.
        arguments: QEMU's machine, and where the guest's bytes come out: the character device
            ``out``.
        native: the loop as a function for the host's CPU.
        cpu_fixups: sets of CPU features to try without, in this order, where ``-cpu host`` does
            not start.
    """

    rom: bytes
    arguments: tuple[str, ...]
    native: bytes
    cpu_fixups: tuple[tuple[str, ...], ...] = ((),)


def rom() -> bytes:
    """The firmware image of a PC: QEMU maps its end below 4 GiB, where a PC begins."""
    return GUEST.rjust(ROM_SIZE, b"\0")


MICROGUESTS: Mapping[str, MicroGuest] = {
    "x86_64": MicroGuest(
        rom(),
        ("-machine", "q35", "-device", "isa-debugcon,iobase=0xe9,chardev=out"),
        NATIVE,
        ((), ("arch-capabilities",)),
    ),
    "aarch64": MicroGuest(
        GUEST_AARCH64, ("-machine", "virt", "-serial", "chardev:out"), NATIVE_AARCH64
    ),
}
"""By architecture."""
