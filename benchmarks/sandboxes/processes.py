"""Memory ladder of a set of host processes, and of the control group they are in."""

import contextlib
from collections.abc import Iterable
from pathlib import Path

import psutil

from runtime.harness import CgroupMemory

GROUPED = ("cgroup_bytes", "cgroup_kernel_bytes")
"""Metrics that only an instance with a control group of its own has."""


def ladder(pids: Iterable[int]) -> dict[str, float | None]:
    """Sum VSS, RSS, PSS and USS over processes, from ``/proc/PID/smaps_rollup`` (proc(5)).

    ``mapped_bytes`` is the size of their writable mappings, from ``/proc/PID/maps``: virtual
    memory, which publications on VMMs have taken for their overhead.

    A process that ends meanwhile is left out; where none could be read every figure is None.

    Returns:
        ``vss_bytes``, ``rss_bytes``, ``pss_bytes``, ``uss_bytes`` and ``mapped_bytes`` in bytes,
        and ``processes``, a count.
    """
    names = ("vss_bytes", "rss_bytes", "pss_bytes", "uss_bytes", "mapped_bytes", "processes")
    totals = dict.fromkeys(names, 0)
    for pid in pids:
        with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            full = psutil.Process(pid).memory_full_info()
            totals["vss_bytes"] += full.vms
            totals["rss_bytes"] += full.rss
            totals["pss_bytes"] += full.pss
            totals["uss_bytes"] += full.uss
            totals["mapped_bytes"] += _writable(pid)
            totals["processes"] += 1
    if totals["processes"] == 0:
        return dict.fromkeys(totals)
    return dict(totals)


def charges(charged: CgroupMemory | None) -> dict[str, float | None]:
    """Return what a control group is charged: ``cgroup_bytes``, and the kernel's part of it."""
    return {
        "cgroup_bytes": None if charged is None else charged.usage_bytes,
        "cgroup_kernel_bytes": None if charged is None else charged.kernel_bytes,
    }


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
