"""What an instance uses: processes, CPU time, memory."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from runtime.cgroups import files

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_NS = 1_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class CgroupMemory:
    """Memory charged to a control group, in bytes; None where this kernel does not tell."""

    usage_bytes: int | None
    peak_bytes: int | None
    anon_bytes: int | None
    file_bytes: int | None
    kernel_bytes: int | None
    page_tables_bytes: int | None = None
    sock_bytes: int | None = None
    oom_kills: int | None = None


def memory(groups: Mapping[str, Path]) -> CgroupMemory | None:
    """Read the memory controller of v1 or v2; None where the instance has no group with one."""
    if "unified" in groups:
        return _memory_v2(groups["unified"])
    if "memory" in groups:
        return _memory_v1(groups["memory"])
    return None


def _memory_v2(folder: Path) -> CgroupMemory:
    stat = _table(folder / "memory.stat")
    return CgroupMemory(
        usage_bytes=_number(folder / "memory.current"),
        peak_bytes=_number(folder / "memory.peak"),
        anon_bytes=stat.get("anon"),
        file_bytes=stat.get("file"),
        kernel_bytes=stat.get("kernel"),
        page_tables_bytes=stat.get("pagetables"),
        sock_bytes=stat.get("sock"),
        oom_kills=_table(folder / "memory.events").get("oom_kill"),
    )


def _memory_v1(folder: Path) -> CgroupMemory:
    stat = _table(folder / "memory.stat")
    return CgroupMemory(
        usage_bytes=_number(folder / "memory.usage_in_bytes"),
        peak_bytes=_number(folder / "memory.max_usage_in_bytes"),
        anon_bytes=stat.get("total_rss", stat.get("rss")),
        file_bytes=stat.get("total_cache", stat.get("cache")),
        kernel_bytes=_number(folder / "memory.kmem.usage_in_bytes"),
        sock_bytes=_number(folder / "memory.kmem.tcp.usage_in_bytes"),
        oom_kills=_table(folder / "memory.oom_control").get("oom_kill"),
    )


def group_cpu_s(groups: Mapping[str, Path]) -> float | None:
    """CPU seconds that a group was charged; None where no controller counts them."""
    if "unified" in groups:
        used = _table(groups["unified"] / "cpu.stat").get("usage_usec")
        return None if used is None else used / 1e6
    if "cpuacct" in groups:
        used = _number(groups["cpuacct"] / "cpuacct.usage")
        return None if used is None else used / _NS
    return None


def processes_cpu_s(pids: Iterable[int]) -> float:
    """CPU seconds of these processes and of the children they reaped, in clock ticks."""
    ticks = 0
    for pid in pids:
        fields = _stat(pid)
        if fields:
            ticks += sum(int(value) for value in fields[11:15])
    return ticks / os.sysconf("SC_CLK_TCK")


def cpu_time_s(groups: Mapping[str, Path], pids: Iterable[int]) -> float:
    """CPU seconds of the group, 0 where it does not count them; without one, of the processes."""
    return (group_cpu_s(groups) or 0.0) if groups else processes_cpu_s(pids)


def group_pids(groups: Mapping[str, Path]) -> list[int]:
    """Processes in the group and below, by host pid."""
    return files.pids(str(next(iter(groups.values()))))


def namespace_pids(pid: int) -> list[int]:
    """Processes that share the pid namespace of `pid` (which must not be the host's)."""
    try:
        wanted = Path(f"/proc/{pid}/ns/pid").readlink()
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
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]  # noqa: PTH208  # names


def _stat(pid: int) -> list[str] | None:
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    return text.rpartition(")")[2].split()


def _number(path: Path) -> int | None:
    try:
        return int(files.read(str(path)))
    except (OSError, ValueError):
        return None


def _table(path: Path) -> dict[str, int]:
    try:
        lines = files.read(str(path)).splitlines()
    except OSError:
        return {}
    pairs = (line.split() for line in lines)
    return {pair[0]: int(pair[1]) for pair in pairs if len(pair) == 2 and pair[1].isdigit()}  # noqa: PLR2004  # name and value
