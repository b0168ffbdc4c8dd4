"""Guests of a few bytes, which boot in no time: for tests of the driver and not of Linux.

On x86-64 each is an ELF kernel that is entered by PVH (Xen ``docs/misc/pvh.pandoc``): 32-bit
protected mode, no paging. On arm64 it is an ``Image`` (Linux
``Documentation/arch/arm64/booting.rst``).
"""

import struct
from dataclasses import replace
from pathlib import Path

from vmdriver import Driver, Vm, VmConfig
from vmdriver.boot import await_payload

ENTRY = 0x200000
DATA = 0x1000  # from ENTRY
_PHYS32_ENTRY = 18  # XEN_ELFNOTE_PHYS32_ENTRY

_MUTE = bytes.fromhex(
    "b800102000 0f22d8"  # mov eax, page directory; mov cr3, eax
    "0f20e0 83c810 0f22e0"  # cr4: pages of 4 MiB
    "0f20c0 0d00000080 0f22c0"  # cr0: paging
    "ebfe"  # jmp $
)
_SPEAKING = bytes.fromhex(
    "be00102000 66baf803"  # mov esi, words; mov dx, COM1
    "ac 84c0 7403 ee ebf8"  # next: lodsb; test al, al; jz halt; out dx, al; jmp next
    "f4 ebfd"  # halt: hlt; jmp halt
)
_SPEAKING_AARCH64 = bytes.fromhex(
    "0120a1d2"  # mov x1, #0x9000000, the PL011
    "e2000010"  # adr x2, words
    "43144038 63000034"  # next: ldrb w3, [x2], #1; cbz w3, halt
    "230000b9 fdffff17"  # str w3, [x1]; b next
    "7f2003d5 ffffff17"  # halt: wfi; b halt
)
_WORDS = b"tare: init\r\n\0"


def mute_kernel() -> bytes:
    """Turns paging on, as Linux does at once, and then does nothing."""
    return _elf(_MUTE, struct.pack("<I", 0x83))  # maps the first 4 MiB


def speaking_kernel() -> bytes:
    """Says on the console what our init says, and halts."""
    return _elf(_SPEAKING, _WORDS)


def speaking_image() -> bytes:
    """The same for arm64."""
    header = struct.pack("<2I3Q24x4s4x", 0x14000010, 0, 0, 1 << 16, 0xA, b"ARM\x64")  # b to its end
    return header + _SPEAKING_AARCH64 + _WORDS


def small(config: VmConfig, folder: Path) -> VmConfig:
    """``config`` with a kernel that only speaks, and next to nothing to load beside it."""
    kernel, rest = folder / "kernel", folder / "rest"
    kernel.write_bytes(speaking_kernel())
    rest.write_bytes(b"tare".ljust(512, b"\0"))
    return replace(config, kernel=kernel, initrd=rest, disk=rest, memory_mib=32)


def start_small(driver: Driver, config: VmConfig) -> Vm:
    """`Driver.start` up to the boundary ``init``: no payload is asked of so small a guest."""
    config.check()
    driver._learned(config.architecture)
    vm = driver._admit(config)
    try:
        vm.launch(driver._domain_xml(vm))
        await_payload(vm, ("kernel", "init"))
    except BaseException:
        vm.destroy()
        raise
    return vm


def _elf(code: bytes, data: bytes) -> bytes:
    memory = code.ljust(DATA, b"\0") + data
    note = struct.pack("<III4sQ", 4, 8, _PHYS32_ENTRY, b"Xen", ENTRY)
    notes_at = 64 + 2 * 56
    header = struct.pack(
        *("<4s4B8x2HI3QI6H", b"\x7fELF", 2, 1, 1, 0, 2, 62, 1),
        *(ENTRY, 64, 0, 0, 64, 56, 2, 0, 0, 0),
    )
    loaded = struct.pack("<2I6Q", 1, 7, DATA, ENTRY, ENTRY, len(memory), len(memory), DATA)
    noted = struct.pack("<2I6Q", 4, 4, notes_at, 0, 0, len(note), len(note), 4)
    return (header + loaded + noted + note).ljust(DATA, b"\0") + memory
