import pytest

from vmdriver.qemu.memory import QemuMemory, split

RAM = """\
7f0000000000-7f0010000000 rw-p 00000000 00:00 0
Size:             262144 kB
Rss:              100000 kB
Pss:              100000 kB
Private_Clean:         0 kB
Private_Dirty:    100000 kB
"""
REST = """\
7f1000000000-7f1040000000 rwxp 00000000 00:00 0
Size:            1048576 kB
Rss:               50000 kB
Pss:               50000 kB
Private_Dirty:     50000 kB
7f2000000000-7f2000100000 r-xp 00000000 fe:00 123    /usr/bin/qemu-system-x86_64
Size:               1024 kB
Rss:                1000 kB
Pss:                 500 kB
Private_Clean:         0 kB
7f3000000000-7f3000100000 rw-p 00000000 00:00 0      [heap]
Size:               1024 kB
Rss:                  24 kB
Pss:                  24 kB
Private_Dirty:        24 kB
VmFlags: rd wr mr mw me ac
"""
HUGE_RAM = """\
7f0000000000-7f0010000000 rw-s 00000000 00:0f 77     /memfd:memory-backend-memfd (deleted)
Size:             262144 kB
Rss:                   0 kB
Pss:                   0 kB
Shared_Hugetlb:        0 kB
Private_Hugetlb:  100000 kB
"""
STATUS = "Name:\tqemu\nVmPTE:\t     300 kB\nVmSwap:\t       0 kB\n"


@pytest.mark.parametrize("ram", [RAM, HUGE_RAM])
def test_the_parts_are_told_apart_and_add_up(ram: str) -> None:
    assert split(ram + REST, STATUS, 256 << 20) == QemuMemory(
        vss_bytes=1312768 * 1024,
        rss_bytes=151024 * 1024,
        pss_bytes=150524 * 1024,
        uss_bytes=150024 * 1024,
        guest_ram_bytes=100000 * 1024,
        translation_bytes=50000 * 1024,
        file_bytes=1000 * 1024,
        vmm_bytes=24 * 1024,
        page_tables_bytes=300 * 1024,
    )
