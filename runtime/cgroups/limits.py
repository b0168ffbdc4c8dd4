"""Limits as numbers, apart from the files they are written to.

Limits are a plain mapping with the names of `runtime.spec.Resources`.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any

from runtime.cgroups.files import refusal

if TYPE_CHECKING:
    from collections.abc import Mapping

#: The kernel's default of cpu.cfs_period_us and cpu.max (sched-bwc.rst).
PERIOD_US = 100_000
#: The longest period the kernel takes, and the least quota (sched-bwc.rst).
_MOST_PERIOD_US = 1_000_000
_LEAST_QUOTA_US = 1_000
#: As a number of a limit: none. The kernel's own word for it differs from file to file.
UNLIMITED = -1
NO_IDLE = "idle groups need Linux 5.15 or later"
NO_BFQ = "weights of disks need a kernel with the scheduler bfq"
_EMPTY: tuple[Any, ...] = (None, (), [], {})
_USUAL = ("memory_limit_bytes", "cpus", "pids_limit")
_WEIGHTS = ("cpu_weight", "io_weight")


def wanted(resources: Mapping[str, Any]) -> dict[str, Any]:
    """The limits that are asked for, checked as far as no file is needed for it.

    What `devices` has is a `devices.Policy` then.

    Raises:
        CgroupOSError: EINVAL, one of them cannot be right.
    """
    found = {name: value for name, value in resources.items() if value not in _EMPTY}
    for name in _WEIGHTS:
        if name in found:
            _check_weight(name, found[name])
    for entry in found.get("io_limits", ()):
        if entry.get("weight") is not None:
            _check_weight("the weight of an io limit", entry["weight"])
    for entry in found.get("hugepage_limits", ()):
        number = entry["page_size"].rstrip("KMGB")
        if not number.isdecimal() or entry["page_size"][len(number) :] not in ("KB", "MB", "GB"):
            raise refusal(
                f"{entry['page_size']!r} is no size of huge pages; sizes read like 2MB",
                errno.EINVAL,
            )
    if "devices" in found:
        from runtime.cgroups import devices  # most containers have no list

        found["devices"] = devices.policy(found["devices"])
    return found


def usual(resources: Mapping[str, Any]) -> tuple[int | None, int | None, int | None] | None:
    """Memory, quota in the kernel's default period, tasks; None where anything else is asked for.

    What most containers have, on a way of its own to a group that was just made: every page of
    memory that a start touches was shared with the child before it and is copied, and the general
    way touches 30 more, which takes as long as writing these three.
    """
    for name, value in resources.items():
        if name not in _USUAL and value not in _EMPTY:
            return None
    memory, cpus, pids = map(resources.get, _USUAL)
    if cpus is None:
        return memory, None, pids
    quota = round(cpus * PERIOD_US)
    return (memory, quota, pids) if quota >= _LEAST_QUOTA_US else None


def _check_weight(name: str, value: int) -> None:
    if not 1 <= value <= 10_000:  # noqa: PLR2004  # cgroup-v2.rst, "Weights"
        raise refusal(f"{name} is {value}; a weight is 1 to 10000, 100 by default", errno.EINVAL)


def bandwidth(limits: Mapping[str, Any]) -> tuple[int | None, int | None]:
    """Quota and period of CPU time in microseconds; None where nothing is said of it.

    `cpus` alone takes the kernel's default period, or the longest where the default would make
    the quota smaller than the kernel allows.

    Raises:
        CgroupOSError: EINVAL, `cpus` and a quota are both given, or it is too little.
    """
    cpus, quota, period = (limits.get(k) for k in ("cpus", "cpu_quota_us", "cpu_period_us"))
    if cpus is None:
        return (None if quota is None else max(quota, UNLIMITED)), period
    if quota is not None:
        raise refusal("cpus and cpu_quota_us both say how much CPU time; give one", errno.EINVAL)
    if period is None:
        period = PERIOD_US if cpus * PERIOD_US >= _LEAST_QUOTA_US else _MOST_PERIOD_US
    quota = round(cpus * period)
    if quota < _LEAST_QUOTA_US:
        raise refusal(
            f"{cpus} CPUs in periods of {period} us is less than the kernel can give, "
            f"{_LEAST_QUOTA_US} us each",
            errno.EINVAL,
        )
    return quota, period


def shrinks(quota: int | None, before: int) -> bool:
    """Whether a quota is less than the one before; -1 is the largest."""
    if quota is None or quota == UNLIMITED:
        return False
    return before == UNLIMITED or quota < before


def check_burst(quota: int | None, burst: int | None, in_force: int) -> None:
    """Refuse a quota below the burst in force, which the kernel calls merely invalid.

    Raises:
        CgroupOSError: EINVAL.
    """
    if burst is None and quota is not None and quota != UNLIMITED and quota < in_force:
        raise refusal(
            f"a quota of {quota} us is below the burst of {in_force} us that is in force; lower "
            "cpu_burst_us along with it",
            errno.EINVAL,
        )


def or_max(limit: int) -> str:
    """A limit as most files take it, where any negative number stands for none."""
    return "max" if limit < 0 else str(limit)


def no_pages(entry: Mapping[str, Any]) -> str:
    """What to say where the kernel has no huge pages of the size."""
    return f"it has no huge pages of {entry['page_size']} (see /sys/kernel/mm/hugepages)"


def numbers(text: str) -> set[int]:
    """The numbers in a list as cpuset(7) has it, e.g. "0-2,7"; a stride ("0-9:2/4") is refused.

    Raises:
        ValueError: it is no such list.
    """
    found: set[int] = set()
    for part in text.strip().split(",") if text.strip() else ():
        first, _, last = part.partition("-")
        found.update(range(int(first), int(last or first) + 1))
    return found


def bfq_weight(weight: int) -> int:
    """A weight of 1 to 10000 on the scale of blkio.bfq.weight, 1 to 1000; 100 stays 100.

    Source: the line through both ends that systemd draws (BFQ_WEIGHT).
    """
    if weight <= 100:  # noqa: PLR2004  # the default of both scales
        return weight
    return 100 + (weight - 100) * (1000 - 100) // (10_000 - 100)
