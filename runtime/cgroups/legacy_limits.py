"""Limits in the files of cgroup v1, each in the order in which the kernel takes it.

A group that was just made has the kernel's defaults, so nothing has to be read for it.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol

from runtime.cgroups import devices, files, limits
from runtime.cgroups.limits import PERIOD_US, UNLIMITED

#: What memory.limit_in_bytes reads without a limit is above this: the largest number of pages.
_NO_LIMIT_BYTES = 1 << 62
_SHARES_PER_WEIGHT = 1024 / 100
_BOTH = "memory.memsw.limit_in_bytes"
_THROTTLES = (
    ("read_bytes_per_s", "blkio.throttle.read_bps_device"),
    ("write_bytes_per_s", "blkio.throttle.write_bps_device"),
    ("read_ops_per_s", "blkio.throttle.read_iops_device"),
    ("write_ops_per_s", "blkio.throttle.write_iops_device"),
)


_Writer = Callable[["_Folder", Mapping[str, Any]], None]


class Target(Protocol):
    """The groups of one container.

    Attributes:
        fresh: whether they were just made: no limit was written and no process moved in yet.
    """

    fresh: bool

    def folder(self, controller: str) -> str:
        """The group of this controller, made if need be; CgroupOSError (ENODEV) without one."""
        ...


def write(target: Target, wanted: Mapping[str, Any]) -> None:
    """Write limits to groups, new or in use.

    Args:
        target: the groups.
        wanted: of `limits.wanted`.

    Raises:
        CgroupOSError: naming the file, what was written before it stays; ENODEV where this host
            lacks a controller, before anything is written.
    """
    if "devices" in wanted:
        devices.legacy_writes(wanted["devices"])  # what it refuses it refuses before all writes
    steps: dict[_Writer, _Folder] = {}
    for name in wanted:
        if name not in _WRITERS:
            raise files.refusal(f"{name} needs cgroup v2; the controllers of this host are on v1")
        controller, put = _WRITERS[name]
        steps[put] = _Folder(target.folder(controller), target.fresh)
    for put, folder in steps.items():
        put(folder, wanted)


class _Folder(NamedTuple):
    """The group of one controller, and whether its files still hold the kernel's defaults."""

    path: str
    fresh: bool


def _memory(group: _Folder, wanted: Mapping[str, Any]) -> None:
    limit, swap = wanted.get("memory_limit_bytes"), wanted.get("memory_swap_bytes")
    before = (UNLIMITED, UNLIMITED)
    if not group.fresh:
        before = (_bytes(group.path, "memory.limit_in_bytes"), _bytes(group.path, _BOTH))
    for name, value in memory_writes(limit, swap, before):
        try:
            files.put(group.path, name, value, "boot it with swapaccount=1 to limit swap space")
        except files.CgroupOSError as error:
            if error.errno != errno.EBUSY:
                raise
            reason = f"{error.strerror}; the group uses more and cannot be made to use less"
            raise files.refusal(reason, errno.EBUSY) from error
    if "memory_reservation_bytes" in wanted:
        value = max(wanted["memory_reservation_bytes"], UNLIMITED)
        files.put(group.path, "memory.soft_limit_in_bytes", value)
    if "memory_tcp_bytes" in wanted:
        value = max(wanted["memory_tcp_bytes"], UNLIMITED)
        files.put(group.path, "memory.kmem.tcp.limit_in_bytes", value)
    if "memory_swappiness" in wanted:
        files.put(group.path, "memory.swappiness", wanted["memory_swappiness"])
    if "memory_oom_kill" in wanted:
        # the file says whether killing is switched off (memory.rst, 10)
        files.put(group.path, "memory.oom_control", int(not wanted["memory_oom_kill"]))


def memory_writes(
    limit: int | None, swap: int | None, before: tuple[int, int]
) -> list[tuple[str, int]]:
    """Files and numbers, in order, that limit memory and the swap space beside it.

    v1 limits memory, and memory and swap together; at no time does the kernel take the former
    above the latter (memory.rst, 2.4). Where nothing is said of swap, as much of it as before may
    be used beside the memory.

    Args:
        limit: most memory; -1 for any amount, None for as much as before.
        swap: most swap space; likewise.
        before: both limits in force, -1 for none.

    Raises:
        CgroupOSError: EINVAL, swap cannot be limited where memory is not.
    """
    memory_before, both_before = before
    memory = memory_before if limit is None else max(limit, UNLIMITED)
    if swap is not None:
        beside = max(swap, UNLIMITED)
    else:
        beside = UNLIMITED if both_before == UNLIMITED else both_before - memory_before
    if swap is not None and beside != UNLIMITED and memory == UNLIMITED:
        raise files.refusal(
            "cgroup v1 limits memory and swap space together: memory_swap_bytes needs "
            "memory_limit_bytes",
            errno.EINVAL,
        )
    both = UNLIMITED if UNLIMITED in (memory, beside) else memory + beside
    writes = [] if limit is None else [("memory.limit_in_bytes", memory)]
    if both != both_before:
        lowered = limits.shrinks(both, both_before)
        writes.insert(len(writes) if lowered else 0, (_BOTH, both))
    return writes


def _cpu_time(group: _Folder, wanted: Mapping[str, Any]) -> None:
    quota, period = limits.bandwidth(wanted)
    burst = wanted.get("cpu_burst_us")
    before = (UNLIMITED, PERIOD_US)
    if not group.fresh:
        before = (_read(group.path, "cpu.cfs_quota_us"), _read(group.path, "cpu.cfs_period_us"))
        if os.path.exists(f"{group.path}/cpu.cfs_burst_us"):  # Linux 5.14
            limits.check_burst(quota, burst, _read(group.path, "cpu.cfs_burst_us"))
    for name, value in cpu_writes(quota, period, burst, before):
        files.put(group.path, name, value)


def cpu_writes(
    quota: int | None, period: int | None, burst: int | None, before: tuple[int, int]
) -> list[tuple[str, int]]:
    """Files and numbers, in order, that limit CPU time.

    At no time may the share, quota by period, pass that of a group above, so a longer period comes
    before the quota and a shorter one after it; nor the burst the quota (sched-bwc.rst).

    Args:
        quota: microseconds in each period, -1 for any; None leaves it, likewise the others.
        period: in microseconds.
        burst: in microseconds.
        before: quota and period in force.
    """
    quota_before, period_before = before
    writes = [] if quota is None else [("cpu.cfs_quota_us", quota)]
    if period is not None and period != period_before:
        writes.insert(0 if period > period_before else 1, ("cpu.cfs_period_us", period))
    if burst is not None:
        first = limits.shrinks(quota, quota_before)
        writes.insert(0 if first else len(writes), ("cpu.cfs_burst_us", burst))
    return writes


def _cpu_share(group: _Folder, wanted: Mapping[str, Any]) -> None:
    """The weight, and whether to run only where nobody else wants to.

    An idle group takes no weight (sched_group_set_shares), so it stops being idle first.
    """
    idle, shares = wanted.get("cpu_idle"), wanted.get("cpu_shares")
    if shares is None and wanted.get("cpu_weight") is not None:
        shares = round(wanted["cpu_weight"] * _SHARES_PER_WEIGHT)
    if idle is False or (idle and shares is not None and not group.fresh):
        files.put(group.path, "cpu.idle", 0, limits.NO_IDLE)
    if shares is not None:
        files.put(group.path, "cpu.shares", shares)
    if idle:
        files.put(group.path, "cpu.idle", 1, limits.NO_IDLE)


def _pids(group: _Folder, wanted: Mapping[str, Any]) -> None:
    files.put(group.path, "pids.max", limits.or_max(wanted["pids_limit"]))


def _cpuset(group: _Folder, wanted: Mapping[str, Any]) -> None:
    for name, file in (("cpuset_mems", "cpuset.mems"), ("cpuset", "cpuset.cpus")):
        if name in wanted:
            files.put(group.path, file, wanted[name])


def _io(group: _Folder, wanted: Mapping[str, Any]) -> None:
    """Weights hold on disks that bfq schedules, throttles on all (blkio-controller.rst)."""
    if "io_weight" in wanted:
        weight = limits.bfq_weight(wanted["io_weight"])
        files.put(group.path, "blkio.bfq.weight", weight, limits.NO_BFQ)
    for entry in wanted.get("io_limits", ()):
        device = f"{entry['major']}:{entry['minor']}"
        if entry.get("weight") is not None:
            text = f"{device} {limits.bfq_weight(entry['weight'])}"
            files.put(group.path, "blkio.bfq.weight_device", text, limits.NO_BFQ)
        for name, file in _THROTTLES:
            if entry.get(name) is not None:
                files.put(
                    group.path, file, f"{device} {max(entry[name], 0)}"
                )  # 0 is v1's word for any


def _hugepages(group: _Folder, wanted: Mapping[str, Any]) -> None:
    for entry in wanted["hugepage_limits"]:
        file = f"hugetlb.{entry['page_size']}"
        limit = max(entry["limit_bytes"], UNLIMITED)
        files.put(group.path, f"{file}.limit_in_bytes", limit, limits.no_pages(entry))
        # reserved but untouched pages too, where the kernel counts them (5.7)
        if os.path.exists(f"{group.path}/{file}.rsvd.limit_in_bytes"):
            files.put(group.path, f"{file}.rsvd.limit_in_bytes", limit)


def _devices(group: _Folder, wanted: Mapping[str, Any]) -> None:
    for name, text in devices.legacy_writes(wanted["devices"]):
        files.put(group.path, name, text)


def _read(folder: str, name: str) -> int:
    return int(files.read(f"{folder}/{name}"))


def _bytes(folder: str, name: str) -> int:
    if not os.path.exists(f"{folder}/{name}"):
        return UNLIMITED
    value = _read(folder, name)
    return UNLIMITED if value >= _NO_LIMIT_BYTES else value


#: Limit to its controller, and to what writes it along with those that belong together.
_WRITERS: dict[str, tuple[str, _Writer]] = {
    "memory_limit_bytes": ("memory", _memory),
    "memory_swap_bytes": ("memory", _memory),
    "memory_reservation_bytes": ("memory", _memory),
    "memory_tcp_bytes": ("memory", _memory),
    "memory_swappiness": ("memory", _memory),
    "memory_oom_kill": ("memory", _memory),
    "cpus": ("cpu", _cpu_time),
    "cpu_quota_us": ("cpu", _cpu_time),
    "cpu_period_us": ("cpu", _cpu_time),
    "cpu_burst_us": ("cpu", _cpu_time),
    "cpu_weight": ("cpu", _cpu_share),
    "cpu_shares": ("cpu", _cpu_share),
    "cpu_idle": ("cpu", _cpu_share),
    "pids_limit": ("pids", _pids),
    "cpuset": ("cpuset", _cpuset),
    "cpuset_mems": ("cpuset", _cpuset),
    "io_weight": ("blkio", _io),
    "io_limits": ("blkio", _io),
    "hugepage_limits": ("hugetlb", _hugepages),
    "devices": ("devices", _devices),
}
