"""What the sweep reads: every readable file of the host's /proc and /sys, less a written list.

Only the host is walked: what is asked of a sandbox is how much of *its host* it gets to see.
"""

from __future__ import annotations

import os
import re
from itertools import groupby
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

TOPS = ("/proc", "/sys", "/proc/net")
"""Where the walk begins; /proc/net is a link, to the reader's own network namespace."""

LEFT_OUT = {
    r"/proc/(\d+|self|thread-self)(/|$)": (
        "describes one process; the host's processes have a probe of their own"
    ),
    r"/proc/kmsg$": "reading takes records away from whoever logs them (proc(5))",
    r"/proc/kcore$": "the whole of memory; a probe of its own opens it",
    r"/proc/acpi/event$": "reading takes events away from the daemon that waits for them",
    r"/proc/fs/(ext4|jbd2)/.*/mb_groups$": (
        "loads the bitmap of every block group: half a second for 256 GiB, and input from disk"
    ),
    r"/proc/sys/kernel/random/uuid$": "a number drawn anew for each reader (random(4))",
    r"/proc/sys/vm/stat_refresh$": "reading acts: it collects every CPU's counters (admin-guide)",
    r"/proc/bus/pci/\d.*/": "configuration space of a device; some hang when it is read (lspci(8))",
    r"/sys/devices/.*/(config|rom|vpd|resource\d+(_wc)?)$": (
        "registers of a PCI device; reading some of them acts, or hangs the device"
    ),
    r"/sys/.*/(eeprom|nvmem)$": "a slow bus that others use too",
    r"/sys/power/wakeup_count$": "waits while a wake-up is handled (sysfs-power)",
}
"""Pattern of a path to the reason why it is not read.

Everything else is, if its mode lets anybody read it and it lies on a proc or sysfs file system:
what is mounted below them (control groups, tracefs, debugfs, pstore, EFI variables) is a file
system of its own, where reading may act.
"""

ROOT_ONLY = ("/proc/", "/sys/firmware/", "/sys/kernel/", "/sys/module/")
"""Where a file that root alone may read is read too.

Elsewhere in sysfs such a file may be a command: reading /sys/class/zram-control/hot_add makes a
block device. What any user may read has to be harmless, and these folders hold nothing but state.
"""

_SKIP = re.compile("|".join(f"(?:{pattern})" for pattern in LEFT_OUT))
_BY_ROOT, _BY_ALL = 0o400, 0o004


def left_out(path: str) -> bool:
    """Whether the sweep keeps its hands off a path."""
    return _SKIP.match(path) is not None


def readable_files(tops: Iterable[str] = TOPS) -> list[str]:
    """List the files to read on this host, by directory; opens none of them."""
    found: dict[str, None] = {}
    for top in tops:
        try:
            device = os.stat(top).st_dev  # noqa: PTH116  # as below
        except OSError:
            continue
        found.update(dict.fromkeys(_below(top, device)))
    return sorted(found, key=lambda path: path.rsplit("/", 1))


def _below(top: str, device: int) -> Iterator[str]:
    folders = [top]
    while folders:
        try:
            # pathlib would take thrice as long for these fifteen thousand.
            entries = list(os.scandir(folders.pop()))
        except OSError:
            continue
        for entry in entries:
            if "\n" in entry.path or left_out(entry.path):
                continue
            try:
                status = entry.stat(follow_symlinks=False)
            except OSError:
                continue
            if entry.is_dir(follow_symlinks=False):
                if status.st_dev == device:
                    folders.append(entry.path)
            elif entry.is_file(follow_symlinks=False) and _may_read(entry.path, status.st_mode):
                yield entry.path


def _may_read(path: str, mode: int) -> bool:
    return bool(mode & _BY_ALL or (mode & _BY_ROOT and path.startswith(ROOT_ONLY)))


def encode(paths: Iterable[str]) -> bytes:
    """Write a list of paths as the agent reads it: each directory once, then its names."""
    lines: list[str] = []
    for folder, group in groupby(paths, key=lambda path: path.rpartition("/")[0]):
        lines.append(folder)
        lines += [path.rpartition("/")[2] for path in group]
    return "\n".join(lines).encode("utf-8", "surrogateescape")
