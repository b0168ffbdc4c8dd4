from vmdriver.memory import QemuMemory, split

SMAPS = """\
7f0000000000-7f0010000000 rw-p 00000000 00:00 0
Size:             262144 kB
Rss:              100000 kB
Pss:              100000 kB
7f1000000000-7f1040000000 rwxp 00000000 00:00 0
Rss:               50000 kB
7f2000000000-7f2000100000 r-xp 00000000 fe:00 123    /usr/bin/qemu-system-x86_64
Rss:                1000 kB
7f3000000000-7f3000100000 rw-p 00000000 00:00 0      [heap]
Rss:                  24 kB
"""


def test_the_parts_are_told_apart_and_add_up() -> None:
    assert split(SMAPS, 256 << 20) == QemuMemory(
        rss_bytes=151024 * 1024,
        guest_ram_bytes=100000 * 1024,
        translation_bytes=50000 * 1024,
        file_bytes=1000 * 1024,
        vmm_bytes=24 * 1024,
    )
