"""Tell what QEMU's memory is made of, from ``/proc/PID/smaps`` and ``status`` (proc(5))."""

import re
from dataclasses import dataclass
from pathlib import Path

_HEADER = re.compile(r"([0-9a-f]+)-([0-9a-f]+) (\S{4}) \S+ \S+ (\d+)")
_FIELD = re.compile(r"(\w+): +(\d+) kB")
_PRIVATE = ("Private_Clean", "Private_Dirty", "Private_Hugetlb")
_HUGE = ("Private_Hugetlb", "Shared_Hugetlb")
_KIB = 1024


@dataclass(frozen=True)
class QemuMemory:
    """Bytes of QEMU; the four parts of the resident set add up to ``rss_bytes``.

    Attributes:
        vss_bytes: address space. Most of it is never touched: guest RAM, stacks, and under TCG room
            for translated code.
        rss_bytes: all that is resident, huge pages included (which the kernel's own Rss leaves
            out).
        pss_bytes: the same, a shared page divided among all who map it.
        uss_bytes: the same, only pages that nobody else maps.
        guest_ram_bytes: the guest's RAM: the mapping of exactly its size.
        translation_bytes: TCG's translated code: the anonymous mapping that is writable and
            executable. Nothing of it exists under KVM. Its largest size is the profile's
            ``translation_cache_mib``.
        file_bytes: mapped files: QEMU's own code and libraries, and the kernel and initramfs, which
            its loader keeps mapped. Page cache, shared with other VMs of the same files.
        vmm_bytes: the rest: QEMU's heap, stacks and devices.
        page_tables_bytes: what the host's kernel has of page tables for QEMU; in none of the above.
    """

    vss_bytes: int
    rss_bytes: int
    pss_bytes: int
    uss_bytes: int
    guest_ram_bytes: int
    translation_bytes: int
    file_bytes: int
    vmm_bytes: int
    page_tables_bytes: int | None


def qemu_memory(pid: int, ram_bytes: int) -> QemuMemory:
    """The memory of the QEMU ``pid`` whose guest has ``ram_bytes``. Raises OSError."""
    process = Path(f"/proc/{pid}")
    return split((process / "smaps").read_text(), (process / "status").read_text(), ram_bytes)


def split(smaps: str, status: str, ram_bytes: int) -> QemuMemory:
    """`qemu_memory` for the texts of the two files."""
    sums = dict.fromkeys(("ram", "translation", "file", "vmm", "Size", "Pss", "private"), 0)
    kind = "vmm"
    for line in smaps.splitlines():
        header = _HEADER.match(line)
        if header:
            start, end, permissions, inode = header.groups()
            kind = _kind(int(end, 16) - int(start, 16), permissions, int(inode), ram_bytes)
            continue
        field = _FIELD.match(line)
        if field is None:
            continue
        name, size = field.group(1), int(field.group(2)) * _KIB
        if name == "Rss" or name in _HUGE:
            sums[kind] += size
        if name in ("Size", "Pss"):
            sums[name] += size
        if name in _PRIVATE:
            sums["private"] += size
        if name in _HUGE:  # which the kernel's own Pss leaves out, too
            sums["Pss"] += size
    tables = re.search(r"^VmPTE:\s+(\d+) kB", status, re.MULTILINE)
    return QemuMemory(
        vss_bytes=sums["Size"],
        rss_bytes=sums["ram"] + sums["translation"] + sums["file"] + sums["vmm"],
        pss_bytes=sums["Pss"],
        uss_bytes=sums["private"],
        guest_ram_bytes=sums["ram"],
        translation_bytes=sums["translation"],
        file_bytes=sums["file"],
        vmm_bytes=sums["vmm"],
        page_tables_bytes=int(tables.group(1)) * _KIB if tables else None,
    )


def _kind(size: int, permissions: str, inode: int, ram_bytes: int) -> str:
    if size == ram_bytes:  # a memfd, and so with an inode, where it is shared or of huge pages
        return "ram"
    if inode:
        return "file"
    return "translation" if permissions == "rwxp" else "vmm"
