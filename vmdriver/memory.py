"""Tells apart what QEMU's resident memory is made of, from ``/proc/PID/smaps`` (proc(5))."""

import re
from dataclasses import dataclass
from pathlib import Path

_HEADER = re.compile(r"([0-9a-f]+)-([0-9a-f]+) (\S{4}) \S+ \S+ (\d+)")
_KIB = 1024


@dataclass(frozen=True)
class QemuMemory:
    """Resident bytes of QEMU; the four parts add up to ``rss_bytes``.

    Attributes:
        rss_bytes: all that is resident.
        guest_ram_bytes: the guest's RAM: the anonymous mapping of exactly its size.
        translation_bytes: TCG's translated code: the anonymous mapping that is writable and
            executable. Nothing of it exists under KVM.
        file_bytes: mapped files: QEMU's own code and libraries, and the kernel and initramfs, which
            its loader keeps mapped. Page cache, shared with other VMs of the same files.
        vmm_bytes: the rest: QEMU's heap, stacks and devices.
    """

    rss_bytes: int
    guest_ram_bytes: int
    translation_bytes: int
    file_bytes: int
    vmm_bytes: int


def qemu_memory(pid: int, ram_bytes: int) -> QemuMemory:
    """The memory of the QEMU ``pid`` whose guest has ``ram_bytes``. Raises OSError."""
    return split(Path(f"/proc/{pid}/smaps").read_text(), ram_bytes)


def split(smaps: str, ram_bytes: int) -> QemuMemory:
    """`qemu_memory` for the text of a smaps file."""
    totals = {"ram": 0, "translation": 0, "file": 0, "vmm": 0}
    kind = "vmm"
    for line in smaps.splitlines():
        header = _HEADER.match(line)
        if header:
            start, end, permissions, inode = header.groups()
            kind = _kind(int(end, 16) - int(start, 16), permissions, int(inode), ram_bytes)
        elif line.startswith("Rss:"):
            totals[kind] += int(line.split()[1]) * _KIB
    return QemuMemory(
        rss_bytes=sum(totals.values()),
        guest_ram_bytes=totals["ram"],
        translation_bytes=totals["translation"],
        file_bytes=totals["file"],
        vmm_bytes=totals["vmm"],
    )


def _kind(size: int, permissions: str, inode: int, ram_bytes: int) -> str:
    if inode:
        return "file"
    if permissions == "rwxp":
        return "translation"
    return "ram" if size == ram_bytes else "vmm"
