"""The memory ladder of a set of host processes."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from collections.abc import Iterable


def ladder(pids: Iterable[int]) -> dict[str, float | None]:
    """Sum RSS, PSS and USS over processes, from ``/proc/PID/smaps_rollup`` (proc(5)).

    ``mapped_bytes`` is the size of their writable mappings, from ``/proc/PID/maps``: virtual
    memory, which publications on VMMs have taken for their overhead.

    A process that ends meanwhile is left out; where none could be read every figure is None.

    Returns:
        ``rss_bytes``, ``pss_bytes``, ``uss_bytes`` and ``mapped_bytes`` in bytes, and
        ``processes``, a count.
    """
    totals = {"rss_bytes": 0, "pss_bytes": 0, "uss_bytes": 0, "mapped_bytes": 0, "processes": 0}
    for pid in pids:
        with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            full = psutil.Process(pid).memory_full_info()
            totals["rss_bytes"] += full.rss
            totals["pss_bytes"] += full.pss
            totals["uss_bytes"] += full.uss
            totals["mapped_bytes"] += _writable(pid)
            totals["processes"] += 1
    if totals["processes"] == 0:
        return dict.fromkeys(totals)
    return dict(totals)


def _writable(pid: int) -> int:
    """Return the size of the writable mappings of a process, in bytes; 0 where it has ended."""
    total = 0
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/maps").read_text(errors="replace").splitlines():
            span, modes, _ = line.split(" ", 2)
            if modes[1] == "w":
                low, _, high = span.partition("-")
                total += int(high, 16) - int(low, 16)
    return total


def mapping_rss(pid: int, size_bytes: int) -> int | None:
    """Return the resident bytes of the one mapping of exactly this size, from its smaps entry.

    Guest RAM is one mapping of the size the guest was given (QEMU aligns it with guard pages of
    their own), which is how it is told from the rest of the VMM.

    Args:
        pid: The VMM.
        size_bytes: Size of guest RAM.

    Returns:
        Resident bytes, or None where no such mapping exists.
    """
    wanted = size_bytes // 1024
    with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
        for mapping in psutil.Process(pid).memory_maps(grouped=False):
            low, _, high = mapping.addr.partition("-")
            if (int(high, 16) - int(low, 16)) // 1024 == wanted:
                return int(mapping.rss)
    return None
