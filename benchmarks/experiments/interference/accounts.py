"""Host CPU time that no control group is charged for: kernel threads and interrupts.

Kernel threads live in the root group; time in interrupts is charged to nobody where the kernel
counts it apart (CONFIG_IRQ_TIME_ACCOUNTING), and to whoever was interrupted where it does not.
Work that one container causes and these do (writing back, packets, reclaim) is work that its limits
do not hold (Gao et al., Houdini's Escape, CCS 2019).
"""

from __future__ import annotations

import os
from pathlib import Path

import psutil

from benchmarks.errors import MeasurementError

_KERNEL_THREAD = 0x00200000
"""PF_KTHREAD (include/linux/sched.h), in the ninth field of /proc/PID/stat."""
_FLAGS_FIELD = 6  # counted behind the command's closing bracket


def uncharged_s() -> float:
    """Return the seconds that kernel threads and interrupts have used since the boot.

    Raises:
        MeasurementError: No kernel thread is in sight, so their work would be taken for none.
    """
    total, threads = 0.0, 0
    for entry in os.scandir("/proc"):  # pathlib takes thrice as long
        if not entry.name.isdigit():
            continue
        try:
            stat = Path(entry.path, "stat").read_text(encoding="ascii", errors="replace")
            if int(stat.rpartition(")")[2].split()[_FLAGS_FIELD]) & _KERNEL_THREAD:
                total += int(Path(entry.path, "schedstat").read_text().split()[0]) * 1e-9
                threads += 1
        except (OSError, ValueError, IndexError):
            continue  # it ended meanwhile
    if not threads:
        raise MeasurementError(
            "the kernel's threads cannot be seen from here (a pid namespace of its own?), "
            "so what nobody is charged for cannot be told",
        )
    spent = psutil.cpu_times()
    return total + spent.irq + spent.softirq
