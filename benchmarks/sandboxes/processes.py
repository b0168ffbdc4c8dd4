"""The memory ladder of a set of host processes."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from collections.abc import Iterable


def ladder(pids: Iterable[int]) -> dict[str, float | None]:
    """Sum VSS, RSS, PSS and USS over processes, from ``/proc/PID/smaps_rollup`` (proc(5)).

    A process that ends meanwhile is left out; where none could be read every figure is None.

    Returns:
        ``vss_bytes``, ``rss_bytes``, ``pss_bytes``, ``uss_bytes`` in bytes and ``processes``, a
        count.
    """
    totals = {"vss_bytes": 0, "rss_bytes": 0, "pss_bytes": 0, "uss_bytes": 0, "processes": 0}
    for pid in pids:
        with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            full = psutil.Process(pid).memory_full_info()
            totals["vss_bytes"] += full.vms
            totals["rss_bytes"] += full.rss
            totals["pss_bytes"] += full.pss
            totals["uss_bytes"] += full.uss
            totals["processes"] += 1
    if totals["processes"] == 0:
        return dict.fromkeys(totals)
    return dict(totals)
