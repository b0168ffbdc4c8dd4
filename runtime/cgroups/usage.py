"""Readings of what an instance uses: processes, CPU time, memory."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from runtime.cgroups import files
from runtime.cgroups.accounting import memory, number, statistics, table
from runtime.cgroups.charges import (
    CgroupCpu,
    CgroupDisk,
    CgroupMemory,
    CgroupPids,
    CgroupPressure,
    CgroupStatistics,
    Pressure,
    Stall,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
__all__ = [
    "CgroupCpu",
    "CgroupDisk",
    "CgroupMemory",
    "CgroupPids",
    "CgroupPressure",
    "CgroupStatistics",
    "Pressure",
    "Stall",
    "cpu_time_s",
    "descendants",
    "group_cpu_s",
    "group_pids",
    "memory",
    "namespace_pids",
    "own_cpu_s",
    "processes_cpu_s",
    "statistics",
]


def group_cpu_s(groups: Mapping[str, Path]) -> float | None:
    """CPU seconds that a group was charged; None where no controller counts them."""
    if "unified" in groups:
        used = table(groups["unified"] / "cpu.stat").get("usage_usec")
        return None if used is None else used / 1e6
    if "cpuacct" in groups:
        used = number(groups["cpuacct"] / "cpuacct.usage")
        return None if used is None else used / 1e9
    return None


def processes_cpu_s(pids: Iterable[int]) -> float:
    """CPU seconds of these processes and of the children they reaped, in clock ticks."""
    ticks = 0
    for pid in pids:
        fields = _stat(pid)
        if fields:
            ticks += sum(int(value) for value in fields[11:15])
    return ticks / os.sysconf("SC_CLK_TCK")


def own_cpu_s(pids: Iterable[int]) -> float | None:
    """CPU seconds of these processes alone, in clock ticks; None where one of them has ended.

    What they reaped is left out (utime and stime of proc_pid_stat(5), not cutime and cstime).
    """
    ticks = 0
    for pid in pids:
        fields = _stat(pid)
        if not fields:
            return None
        ticks += sum(int(value) for value in fields[11:13])
    return ticks / os.sysconf("SC_CLK_TCK")


def cpu_time_s(groups: Mapping[str, Path], pids: Iterable[int]) -> float:
    """CPU seconds of the group, 0 where it does not count them; without one, of the processes."""
    return (group_cpu_s(groups) or 0.0) if groups else processes_cpu_s(pids)


def group_pids(groups: Mapping[str, Path]) -> list[int]:
    """Processes in the group and below, by host pid."""
    return files.pids(str(next(iter(groups.values()))))


def namespace_pids(pid: int) -> list[int]:
    """Processes that share the pid namespace of `pid`; none where that is the caller's own.

    So whoever kills them kills nobody else's, should the id have gone to another process.
    """
    try:
        wanted = Path(f"/proc/{pid}/ns/pid").readlink()
        if wanted == Path("/proc/self/ns/pid").readlink():
            return []
    except OSError:
        return []
    found = []
    for other in _all_pids():
        try:
            if Path(f"/proc/{other}/ns/pid").readlink() == wanted:
                found.append(other)
        except OSError:
            continue
    return found


def descendants(pid: int) -> list[int]:
    """`pid` and every process below it."""
    parents = {}
    for other in _all_pids():
        fields = _stat(other)
        if fields:
            parents[other] = int(fields[1])
    found = [pid] if pid in parents else []
    for known in found:
        found += [child for child, parent in parents.items() if parent == known]
    return found


def _all_pids() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]  # names


def _stat(pid: int) -> list[str] | None:
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    return text.rpartition(")")[2].split()
