"""A reader of what a control group was charged, from the files of v1 or v2.

Sources: Documentation/admin-guide/cgroup-v2.rst and cgroup-v1/, Documentation/accounting/psi.rst.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from runtime.cgroups import files
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
    import os
    from collections.abc import Mapping

_NS = 1_000_000_000
_US = 1_000_000
#: v1 writes the largest number of pages, in bytes, for no limit.
_NO_LIMIT_BYTES = 1 << 62


def statistics(groups: Mapping[str, str | os.PathLike[str]]) -> CgroupStatistics:
    """Read all that a group was charged, those below it included.

    On v1, bytes to and from disks are known only where the container has limits on them, which is
    what gives it a group of that controller.

    Args:
        groups: controller ("unified" on v2) to directory; the `paths` of a group.
    """
    folders = {name: Path(folder) for name, folder in groups.items()}
    unified = folders.get("unified")
    if unified is None:
        return CgroupStatistics(
            memory=memory(folders), cpu=_cpu_v1(folders), pids=_pids(folders.get("pids")),
            disks=_disks_v1(folders.get("blkio")),
        )  # fmt: skip
    return CgroupStatistics(
        memory=memory(folders) if (unified / "memory.current").exists() else None,
        cpu=_cpu_v2(unified),
        pids=_pids(unified),
        disks=_disks_v2(unified),
        pressure=CgroupPressure(
            cpu=_pressure(unified / "cpu.pressure"),
            memory=_pressure(unified / "memory.pressure"),
            io=_pressure(unified / "io.pressure"),
        ),
    )


def memory(groups: Mapping[str, Path]) -> CgroupMemory | None:
    """Read the memory controller of v1 or v2; None where the instance has no group with one."""
    if "unified" in groups:
        return _memory_v2(groups["unified"])
    if "memory" in groups:
        return _memory_v1(groups["memory"])
    return None


def _memory_v2(folder: Path) -> CgroupMemory:
    stat = table(folder / "memory.stat")
    return CgroupMemory(
        usage_bytes=number(folder / "memory.current"),
        peak_bytes=number(folder / "memory.peak"),
        limit_bytes=number(folder / "memory.max"),
        swap_bytes=number(folder / "memory.swap.current"),
        anon_bytes=stat.get("anon"),
        file_bytes=stat.get("file"),
        kernel_bytes=stat.get("kernel"),
        kernel_stack_bytes=stat.get("kernel_stack"),
        slab_bytes=stat.get("slab"),
        page_tables_bytes=stat.get("pagetables"),
        sock_bytes=stat.get("sock"),
        oom_kills=table(folder / "memory.events").get("oom_kill"),
    )


def _memory_v1(folder: Path) -> CgroupMemory:
    stat = table(folder / "memory.stat")
    limit = number(folder / "memory.limit_in_bytes")
    return CgroupMemory(
        usage_bytes=number(folder / "memory.usage_in_bytes"),
        peak_bytes=number(folder / "memory.max_usage_in_bytes"),
        limit_bytes=None if limit is None or limit >= _NO_LIMIT_BYTES else limit,
        swap_bytes=stat.get("total_swap", stat.get("swap")),
        anon_bytes=stat.get("total_rss", stat.get("rss")),
        file_bytes=stat.get("total_cache", stat.get("cache")),
        kernel_bytes=number(folder / "memory.kmem.usage_in_bytes"),
        sock_bytes=number(folder / "memory.kmem.tcp.usage_in_bytes"),
        oom_kills=table(folder / "memory.oom_control").get("oom_kill"),
    )


def _cpu_v2(folder: Path) -> CgroupCpu | None:
    stat = table(folder / "cpu.stat")
    if not stat:
        return None
    return CgroupCpu(
        usage_s=_seconds(stat.get("usage_usec"), _US),
        user_s=_seconds(stat.get("user_usec"), _US),
        system_s=_seconds(stat.get("system_usec"), _US),
        periods=stat.get("nr_periods"),
        throttled_periods=stat.get("nr_throttled"),
        throttled_s=_seconds(stat.get("throttled_usec"), _US),
    )


def _cpu_v1(folders: Mapping[str, Path]) -> CgroupCpu | None:
    if "cpu" not in folders and "cpuacct" not in folders:
        return None
    stat = table(folders["cpu"] / "cpu.stat") if "cpu" in folders else {}
    account = folders.get("cpuacct")
    used, user, system = (
        number(account / f"cpuacct.{name}") if account else None
        for name in ("usage", "usage_user", "usage_sys")
    )
    return CgroupCpu(
        usage_s=_seconds(used, _NS),
        user_s=_seconds(user, _NS),
        system_s=_seconds(system, _NS),
        periods=stat.get("nr_periods"),
        throttled_periods=stat.get("nr_throttled"),
        throttled_s=_seconds(stat.get("throttled_time"), _NS),
    )


def _pids(folder: Path | None) -> CgroupPids | None:
    if folder is None or not (folder / "pids.current").exists():
        return None
    return CgroupPids(current=number(folder / "pids.current"), limit=number(folder / "pids.max"))


def _disks_v2(folder: Path) -> tuple[CgroupDisk, ...] | None:
    lines = _lines(folder / "io.stat")
    if lines is None:
        return None
    found = []
    for line in lines:
        device, *fields = line.split()
        values = dict(field.split("=") for field in fields if "=" in field)
        counts = [values.get(name) for name in ("rbytes", "wbytes", "rios", "wios")]
        if all(count is not None for count in counts):
            found.append(_disk(device, *(int(count or 0) for count in counts)))
    return tuple(found)


def _disks_v1(folder: Path | None) -> tuple[CgroupDisk, ...] | None:
    if folder is None:
        return None
    counts: dict[str, dict[str, int]] = {}
    for file in ("io_service_bytes", "io_serviced"):
        lines = _lines(folder / f"blkio.throttle.{file}_recursive")
        if lines is None:
            return None
        for line in lines:
            fields = line.split()
            if len(fields) == 3:  # noqa: PLR2004  # device, operation, number; the last is a total
                counts.setdefault(fields[0], {})[file + fields[1]] = int(fields[2])
    kinds = ("io_service_bytesRead", "io_service_bytesWrite", "io_servicedRead", "io_servicedWrite")
    return tuple(
        _disk(device, *(values.get(kind, 0) for kind in kinds)) for device, values in counts.items()
    )


def _disk(device: str, *counts: int) -> CgroupDisk:
    major, minor = map(int, device.split(":"))
    read, written, reads, writes = counts
    return CgroupDisk(
        major=major, minor=minor, read_bytes=read, write_bytes=written, read_ops=reads,
        write_ops=writes,
    )  # fmt: skip


def _pressure(file: Path) -> Pressure | None:
    stalls = {}
    for line in _lines(file) or ():
        kind, *fields = line.split()
        values = dict(field.split("=") for field in fields)
        stalls[kind] = Stall(
            avg10_percent=float(values["avg10"]),
            avg60_percent=float(values["avg60"]),
            avg300_percent=float(values["avg300"]),
            total_s=int(values["total"]) / _US,
        )
    return Pressure(some=stalls["some"], full=stalls.get("full")) if "some" in stalls else None


def _seconds(count: int | None, per_second: int) -> float | None:
    return None if count is None else count / per_second


def number(path: Path) -> int | None:
    """The number in a file; None where it holds another word, such as "max", or is not there."""
    try:
        return int(files.read(str(path)))
    except (OSError, ValueError):
        return None


def table(path: Path) -> dict[str, int]:
    """The lines "name number" of a file; none where it is not there."""
    pairs = (line.split() for line in _lines(path) or ())
    return {pair[0]: int(pair[1]) for pair in pairs if len(pair) == 2 and pair[1].isdigit()}  # noqa: PLR2004  # name and value


def _lines(path: Path) -> list[str] | None:
    """The lines of a file; None where this kernel does not have it or has it switched off."""
    try:
        return files.read(str(path)).splitlines()
    except OSError:
        return None
