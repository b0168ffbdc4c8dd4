"""Limits in the files of cgroup v2 (Documentation/admin-guide/cgroup-v2.rst).

Lowering memory.max below what a group uses does not fail, as it does on v1: the kernel reclaims,
and then kills for want of memory.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from runtime.cgroups import files, limits
from runtime.cgroups.limits import UNLIMITED

_MEMORY = (
    ("memory_limit_bytes", "memory.max"),
    ("memory_swap_bytes", "memory.swap.max"),
    ("memory_high_bytes", "memory.high"),
    ("memory_reservation_bytes", "memory.low"),
)
_THROTTLES = (
    ("read_bytes_per_s", "rbps"),
    ("write_bytes_per_s", "wbps"),
    ("read_ops_per_s", "riops"),
    ("write_ops_per_s", "wiops"),
)
#: Files that move or end processes; they limit nothing.
_NO_LIMITS = ("cgroup.procs", "cgroup.threads", "cgroup.kill", "cgroup.freeze")


_Writer = Callable[["Target", Mapping[str, Any]], None]


class Target(Protocol):
    """One container's group.

    Attributes:
        path: its directory.
        fresh: whether it was just made: no limit was written and no process is in it yet.
    """

    path: str
    fresh: bool

    def need(self, controller: str) -> None:
        """Have the group get this controller; CgroupOSError (ENODEV) where it cannot."""
        ...


def write(target: Target, wanted: Mapping[str, Any]) -> None:
    """Write limits to a group, new or in use.

    Args:
        target: the group.
        wanted: of `limits.wanted`.

    Raises:
        CgroupOSError: naming the file, what was written before it stays; ENODEV where this host
            lacks a controller, before anything is written.
    """
    raw = wanted.get("unified", {})
    steps: dict[_Writer, None] = {}
    for name in wanted:
        if name in _WRITERS:
            controller, put = _WRITERS[name]
            target.need(controller)
            steps[put] = None
    for name in raw:
        _check_raw(name)
        target.need(name.partition(".")[0])
    for put in steps:
        put(target, wanted)
    for name, text in raw.items():
        for line in text.splitlines():  # these files take one line a write
            files.put(target.path, name, line)


def _check_raw(name: str) -> None:
    if "/" in name or "\0" in name or "." not in name.strip(".") or name in _NO_LIMITS:
        raise files.refusal(
            f"unified: {name!r} is no file of a limit, such as memory.high", errno.EINVAL
        )


def _memory(group: Target, wanted: Mapping[str, Any]) -> None:
    for name, file in _MEMORY:
        if name in wanted:
            hint = "boot it with swapaccount=1 to limit swap space" if "swap" in file else ""
            files.put(group.path, file, limits.or_max(wanted[name]), hint)


def _cpu_time(group: Target, wanted: Mapping[str, Any]) -> None:
    """Quota, period and burst; at no time may the burst pass the quota (sched-bwc.rst)."""
    quota, period = limits.bandwidth(wanted)
    burst = wanted.get("cpu_burst_us")
    before = "max"
    if not group.fresh:
        before = files.read(f"{group.path}/cpu.max").split()[0]
        if os.path.exists(f"{group.path}/cpu.max.burst"):  # Linux 5.14
            limits.check_burst(quota, burst, int(files.read(f"{group.path}/cpu.max.burst")))
    text = before if quota is None else limits.or_max(quota)
    writes: list[tuple[str, object]] = []
    if quota is not None or period is not None:
        # without a period the kernel keeps the one before
        writes.append(("cpu.max", text if period is None else f"{text} {period}"))
    if burst is not None:
        shrinks = limits.shrinks(quota, UNLIMITED if before == "max" else int(before))
        writes.insert(0 if shrinks else len(writes), ("cpu.max.burst", burst))
    for name, value in writes:
        files.put(group.path, name, value)


def _cpu_share(group: Target, wanted: Mapping[str, Any]) -> None:
    """The weight, and whether to run only where nobody else wants to.

    Whoever gives shares, the scale of v1, gives the weight that they amount to as well.
    An idle group takes no weight (sched_group_set_shares), so it stops being idle first.
    """
    idle, weight = wanted.get("cpu_idle"), wanted.get("cpu_weight")
    if idle is False or (idle and weight is not None and not group.fresh):
        files.put(group.path, "cpu.idle", 0, limits.NO_IDLE)
    if weight is not None:
        files.put(group.path, "cpu.weight", weight)
    if idle:
        files.put(group.path, "cpu.idle", 1, limits.NO_IDLE)


def _pids(group: Target, wanted: Mapping[str, Any]) -> None:
    files.put(group.path, "pids.max", limits.or_max(wanted["pids_limit"]))


def _cpuset(group: Target, wanted: Mapping[str, Any]) -> None:
    """Unlike v1, v2 takes any list and uses what it can of it: so what it uses is read back."""
    for name, file in (("cpuset_mems", "cpuset.mems"), ("cpuset", "cpuset.cpus")):
        if name not in wanted:
            continue
        files.put(group.path, file, wanted[name])
        used = files.read(f"{group.path}/{file}.effective")
        try:
            missing = limits.numbers(wanted[name]) - limits.numbers(used)
        except ValueError:  # a list with strides, which the kernel took
            continue
        if missing:
            raise files.refusal(
                f"{name} {wanted[name]!r}: the groups above {group.path} have only {used!r}",
                errno.EINVAL,
            )


def _io(group: Target, wanted: Mapping[str, Any]) -> None:
    """Weights hold on disks that io.cost or bfq schedules, throttles on all."""
    if "io_weight" in wanted:
        _put_weight(group.path, "default", wanted["io_weight"])
    for entry in wanted.get("io_limits", ()):
        device = f"{entry['major']}:{entry['minor']}"
        if entry.get("weight") is not None:
            _put_weight(group.path, device, entry["weight"])
        limited = [
            f"{word}={entry[name] if entry[name] > 0 else 'max'}"
            for name, word in _THROTTLES
            if entry.get(name) is not None
        ]
        if limited:
            files.put(group.path, "io.max", f"{device} {' '.join(limited)}")


def _put_weight(path: str, device: str, weight: int) -> None:
    found = False
    for name, scaled in (("io.weight", weight), ("io.bfq.weight", limits.bfq_weight(weight))):
        if os.path.exists(f"{path}/{name}"):
            files.put(path, name, f"{device} {scaled}")
            found = True
    if not found:
        raise files.refusal(f"this kernel has no io.weight: {limits.NO_BFQ}")


def _hugepages(group: Target, wanted: Mapping[str, Any]) -> None:
    for entry in wanted["hugepage_limits"]:
        file, limit = f"hugetlb.{entry['page_size']}", limits.or_max(entry["limit_bytes"])
        files.put(group.path, f"{file}.max", limit, limits.no_pages(entry))
        # reserved but untouched pages too, where the kernel counts them (5.7)
        if os.path.exists(f"{group.path}/{file}.rsvd.max"):
            files.put(group.path, f"{file}.rsvd.max", limit)


def _devices(group: Target, wanted: Mapping[str, Any]) -> None:
    from runtime.cgroups import device_program  # seldom needed

    device_program.enforce(group.path, wanted["devices"], fresh=group.fresh)


#: Limit to its controller, and to what writes it along with those that belong together.
_WRITERS: dict[str, tuple[str, _Writer]] = {
    "memory_limit_bytes": ("memory", _memory),
    "memory_swap_bytes": ("memory", _memory),
    "memory_high_bytes": ("memory", _memory),
    "memory_reservation_bytes": ("memory", _memory),
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
    "io_weight": ("io", _io),
    "io_limits": ("io", _io),
    "hugepage_limits": ("hugetlb", _hugepages),
    "devices": ("cgroup", _devices),  # no controller: every group can have programs
}
