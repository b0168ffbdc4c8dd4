"""Rules for `linux.resources`.

Sources: Documentation/admin-guide/cgroup-v2.rst and cgroup-v1/*; config-linux.md.
"""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING

from runtime.errors import SpecError
from runtime.spec.hints import short, unknown
from runtime.spec.paths import member
from runtime.spec.validation.text import check_list, check_text

if TYPE_CHECKING:
    from runtime.spec import DeviceRule, IoLimit, Resources

#: Field to JSON path below linux.resources, for those that OCI has.
_PATHS = {
    "memory_limit_bytes": "memory.limit",
    "memory_swap_bytes": "memory.swap",
    "memory_high_bytes": "memory.high",
    "memory_reservation_bytes": "memory.reservation",
    "memory_tcp_bytes": "memory.kernelTCP",
    "memory_swappiness": "memory.swappiness",
    "memory_oom_kill": "memory.disableOOMKiller",
    "cpus": "cpu.cpus",
    "cpu_quota_us": "cpu.quota",
    "cpu_period_us": "cpu.period",
    "cpu_burst_us": "cpu.burst",
    "cpu_idle": "cpu.idle",
    "cpuset": "cpu.cpus",
    "cpuset_mems": "cpu.mems",
    "cpu_weight": "cpu.weight",
    "cpu_shares": "cpu.shares",
    "pids_limit": "pids.limit",
    "io_weight": "blockIO.weight",
    "io_limits": "blockIO",
    "hugepage_limits": "hugepageLimits",
    "devices": "devices",
    "unified": "unified",
}
_UNLIMITED = -1
_WEIGHTS = range(1, 10_001)  # cpu.weight and io.weight
_SWAPPINESS = range(101)  # cgroup-v1/memory.rst, 5.3
_SHARES = range(2, 262_145)  # kernel/sched: MIN_SHARES, MAX_SHARES
_LEAST_QUOTA_US = 1_000  # min_cfs_quota_period
_PERIODS_US = range(1_000, 1_000_001)
_DEVICE_TYPES = ("a", "b", "c")
_ACCESSES = "rwm"
_MAJORS, _MINORS = range(2**12), range(2**20)
_UNITS = ("KB", "MB", "GB")


def check(resources: Resources, *, grouped: bool) -> None:
    """Refuse what cannot be right.

    Args:
        resources: what to check.
        grouped: whether the container has a group of its own.

    Raises:
        SpecError: naming the field.
    """
    if not grouped:
        for field in fields(resources):
            if getattr(resources, field.name) not in (None, (), {}):
                path = f"linux.resources.{_PATHS[field.name]}"
                raise SpecError(path, "needs a cgroup of the container's own")
    _check_memory(resources)
    _check_cpu(resources)
    _above("pids_limit", resources.pids_limit, least=1)
    if resources.io_weight is not None and resources.io_weight not in _WEIGHTS:
        raise SpecError(_path("io_weight"), f"{short(resources.io_weight)} is outside 1 to 10000")
    seen = set()
    for limit in resources.io_limits:
        _check_io(limit)
        if (limit.major, limit.minor) in seen:
            raise SpecError(
                _path("io_limits"), f"device {limit.major}:{limit.minor} is given twice"
            )
        seen.add((limit.major, limit.minor))
    _check_hugepages(resources)
    for number, rule in enumerate(resources.devices):
        _check_rule(f"linux.resources.devices[{number}]", rule)
    _check_unified(resources)


def _path(field: str) -> str:
    return f"linux.resources.{_PATHS[field]}"


def _above(field: str, value: float | None, *, least: int) -> None:
    if value is not None and value < least and value != _UNLIMITED:
        words = "must be above zero" if least == 1 else f"must be at least {least}"
        raise SpecError(_path(field), f"{short(value)} {words}, or -1 for no limit")


def _check_memory(resources: Resources) -> None:
    _above("memory_limit_bytes", resources.memory_limit_bytes, least=1)
    _above("memory_swap_bytes", resources.memory_swap_bytes, least=0)
    _above("memory_high_bytes", resources.memory_high_bytes, least=1)
    _above("memory_tcp_bytes", resources.memory_tcp_bytes, least=0)
    swappiness = resources.memory_swappiness
    if swappiness is not None and swappiness not in _SWAPPINESS:
        raise SpecError(_path("memory_swappiness"), f"{short(swappiness)} is outside 0 to 100")
    reservation = resources.memory_reservation_bytes
    if reservation is not None and reservation < 0:
        raise SpecError(_path("memory_reservation_bytes"), f"{reservation} must be at least 0")


def _check_cpu(resources: Resources) -> None:
    if resources.cpus is not None and not resources.cpus > 0:
        raise SpecError(_path("cpus"), f"{resources.cpus} must be above zero")
    if resources.cpus is not None and resources.cpu_quota_us is not None:
        raise SpecError(_path("cpu_quota_us"), "cpus says the same; give one of them")
    quota, burst = resources.cpu_quota_us, resources.cpu_burst_us
    _above("cpu_quota_us", quota, least=_LEAST_QUOTA_US)
    if burst is not None and burst < 0:
        raise SpecError(_path("cpu_burst_us"), f"{burst} must be at least 0")
    if burst is not None and quota is not None and 0 < quota < burst:
        raise SpecError(_path("cpu_burst_us"), f"{burst} is more than the quota {quota}")
    for field, allowed in (
        ("cpu_period_us", _PERIODS_US),
        ("cpu_weight", _WEIGHTS),
        ("cpu_shares", _SHARES),
    ):
        value = getattr(resources, field)
        if value is not None and value not in allowed:
            raise SpecError(
                _path(field), f"{short(value)} is outside {allowed.start} to {allowed.stop - 1}"
            )
    if resources.cpu_shares is not None and resources.cpu_weight is None:
        raise SpecError(_path("cpu_shares"), "needs cpu_weight too, for cgroup v2 has no shares")
    for field in ("cpuset", "cpuset_mems"):
        value = getattr(resources, field)
        if value is not None:
            check_list(_path(field), value)


def _check_io(limit: IoLimit) -> None:
    path = _path("io_limits")
    if limit.major not in _MAJORS or limit.minor not in _MINORS:
        raise SpecError(path, f"{short(limit.major)}:{short(limit.minor)} is no device number")
    device = f"{limit.major}:{limit.minor}"
    if limit.weight is not None and limit.weight not in _WEIGHTS:
        raise SpecError(path, f"the weight {short(limit.weight)} of {device} is outside 1 to 10000")
    for name in ("read_bytes_per_s", "write_bytes_per_s", "read_ops_per_s", "write_ops_per_s"):
        value = getattr(limit, name)
        if value is not None and value < 1:
            raise SpecError(path, f"the limit {name} of {device} must be above zero")


def _check_hugepages(resources: Resources) -> None:
    seen = set()
    for number, limit in enumerate(resources.hugepage_limits):
        path = f"linux.resources.hugepageLimits[{number}]"
        size, unit = limit.page_size[:-2], limit.page_size[-2:]
        if unit not in _UNITS or not (size.isascii() and size.isdigit()) or size[0] == "0":
            raise SpecError(
                f"{path}.pageSize", f"{short(limit.page_size)} is no size such as '2MB' or '1GB'"
            )
        if limit.page_size in seen:
            raise SpecError(f"{path}.pageSize", f"{limit.page_size} is given twice")
        seen.add(limit.page_size)
        if limit.limit_bytes < 0:
            raise SpecError(f"{path}.limit", f"{limit.limit_bytes} must be at least 0")


def _check_rule(path: str, rule: DeviceRule) -> None:
    if rule.type not in _DEVICE_TYPES:
        raise unknown(f"{path}.type", rule.type, "type of device rule", _DEVICE_TYPES)
    letters = set(rule.access)
    if not letters or not letters <= set(_ACCESSES) or len(letters) != len(rule.access):
        raise SpecError(f"{path}.access", f"{short(rule.access)} is not made of r, w and m")
    for key, value, allowed in (("major", rule.major, _MAJORS), ("minor", rule.minor, _MINORS)):
        if value is not None and value not in allowed:
            raise SpecError(f"{path}.{key}", f"{short(value)} is outside 0 to {allowed.stop - 1}")
    # cgroup-v1/devices.rst: "a" means every device, whatever stands behind it
    narrowed = rule.major is not None or rule.minor is not None or letters != set(_ACCESSES)
    if rule.type == "a" and narrowed:
        raise SpecError(
            f"{path}.type", "'a' is for every device and access; use 'b' and 'c' to say less"
        )


def _check_unified(resources: Resources) -> None:
    for name, value in resources.unified.items():
        path = member("linux.resources.unified", name)
        check_text(path, name)
        check_text(path, value)
        if "/" in name or "." not in name.strip("."):
            raise SpecError(path, "is no file of a control group, such as 'memory.high'")
