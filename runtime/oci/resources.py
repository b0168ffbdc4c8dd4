"""`linux.resources`: limits and weights, in the units and with the meanings of cgroup v1.

Sources: config-linux.md, "Control groups"; where that is silent, what runc does
(libcontainer/specconv and opencontainers/cgroups).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from runtime.errors import SpecError
from runtime.oci import block_io, weights
from runtime.oci.node import INT64, UINT64
from runtime.spec import DeviceRule, HugepageLimit, Resources

if TYPE_CHECKING:
    from runtime.oci.node import Node

_UNLIMITED = -1
_PERIOD_US = 100_000
_RULE_TYPES = ("a", "b", "c")
_IDLE = range(2)
_SWAPPINESS = range(101)


def read(node: Node | None) -> Resources:
    """The resources of a bundle.

    Raises:
        SpecError: naming the field.
    """
    if node is None:
        return Resources()
    node.refuse_unless(
        "rdma",
        lambda value: value == {},
        "this runtime limits no RDMA devices; leave it out, or use another runtime",
    )
    _refuse_network(node.node("network"))
    found = Resources(
        **_read_memory(node.node("memory")),
        **_read_cpu(node.node("cpu")),
        **block_io.read(node.node("blockIO")),
        pids_limit=_read_pids(node.node("pids")),
        hugepage_limits=tuple(
            HugepageLimit(
                page_size=entry.require(entry.text("pageSize"), "pageSize"),
                limit_bytes=entry.require(entry.integer("limit", UINT64), "limit"),
            )
            for entry in node.nodes("hugepageLimits")
        ),
        devices=tuple(_read_rule(entry) for entry in node.nodes("devices")),
        unified=node.text_map("unified"),
    )
    node.close()
    return found


def _refuse_network(node: Node | None) -> None:
    if node is None:
        return
    node.refuse_unless(
        "classID",
        lambda value: value == 0,
        "this runtime marks no packets, so a filter that looks for the mark would not see them",
    )
    node.refuse_unless(
        "priorities",
        lambda value: value == [],
        "this runtime sets no priorities of network traffic; leave it out",
    )
    node.close()


def _read_memory(node: Node | None) -> dict[str, Any]:
    if node is None:
        return {}
    limit = _unset_by_zero(node, "limit", _integer(node, "limit"))
    reservation = _unset_by_zero(node, "reservation", _integer(node, "reservation"))
    if reservation == _UNLIMITED:
        # no soft limit at all, as in every new group; memory.low would protect without end
        node.keep("reservation", _UNLIMITED)
        reservation = None
    total = _unset_by_zero(node, "swap", _integer(node, "swap"))
    _keep_obsolete(node)
    old = _read_old(node)
    node.close()
    return {
        **old,
        "memory_limit_bytes": limit,
        "memory_swap_bytes": _swap(node, limit, total),
        "memory_reservation_bytes": reservation,
    }


def _swap(node: Node, limit: int | None, total: int | None) -> int | None:
    """Swap alone, of OCI's sum of memory and swap."""
    if total is None or _UNLIMITED in (total, limit):
        return total
    if limit is None:
        raise SpecError(node.at("swap"), "is the sum of memory and swap, so it needs a limit too")
    if total < limit:
        raise SpecError(
            node.at("swap"), f"{total} is the sum of memory and swap, and below the limit {limit}"
        )
    return total - limit


def _keep_obsolete(node: Node) -> None:
    """What the kernel has given up, or what concerns updates alone."""
    kernel = _integer(node, "kernel")
    if kernel is not None:
        reason = "Linux has no such limit since 5.4; kernel memory counts towards the limit"
        node.keep("kernel", kernel, "" if kernel == _UNLIMITED else reason)
    for key, usual, reason in (
        ("useHierarchy", True, "Linux counts every group with those below it since 5.11"),
        ("checkBeforeUpdate", False, "concerns updates alone"),
    ):
        value = node.flag(key)
        if value is not None:
            node.keep(key, value, "" if value is usual else reason)


def _read_old(node: Node) -> dict[str, Any]:
    """What cgroup v1 has alone, and confines nothing."""
    tcp = _integer(node, "kernelTCP")
    swappiness = node.integer("swappiness", _SWAPPINESS)
    disabled = node.flag("disableOOMKiller")
    for key, asked in (
        ("kernelTCP", tcp not in (None, _UNLIMITED)),
        ("swappiness", swappiness is not None),
        ("disableOOMKiller", bool(disabled)),
    ):
        if asked:
            node.aside.notes.append(f"{node.at(key)}: has an effect on cgroup v1 alone")
    return {
        "memory_tcp_bytes": tcp,
        "memory_swappiness": swappiness,
        "memory_oom_kill": None if disabled is None else not disabled,
    }


def _read_cpu(node: Node | None) -> dict[str, Any]:
    if node is None:
        return {}
    shares = _unset_by_zero(node, "shares", node.integer("shares", UINT64))
    if shares is not None:
        # runc: beyond the ends of the scale it is the end
        shares = min(max(shares, 2), 262_144)
    idle = node.integer("idle", _IDLE)
    found = {
        "cpu_quota_us": _unset_by_zero(node, "quota", _integer(node, "quota")),
        "cpu_period_us": _unset_by_zero(node, "period", node.integer("period", UINT64)),
        "cpu_burst_us": node.integer("burst", UINT64),
        "cpu_idle": None if idle is None else bool(idle),
        "cpuset": node.text("cpus"),
        "cpuset_mems": node.text("mems"),
        "cpu_shares": shares,
        "cpu_weight": None if shares is None else weights.cpu_weight(shares),
    }
    for key, allowed in (("realtimeRuntime", INT64), ("realtimePeriod", UINT64)):
        value = node.integer(key, allowed)
        if value is not None:
            reason = "cgroup v2 shares out no real time, so it is not set"
            node.keep(key, value, reason if value else "")
    node.close()
    return found


def _read_pids(node: Node | None) -> int | None:
    if node is None:
        return None
    limit = _integer(node, "limit")
    node.close()
    # with none at all not even the first process could be born in its group; runc takes 1 as well
    return 1 if limit == 0 else limit


def _read_rule(node: Node) -> DeviceRule:
    access = node.text("access")
    major, minor = node.integer("major", INT64), node.integer("minor", INT64)
    return DeviceRule(
        allow=node.require(node.flag("allow"), "allow"),
        type=node.word("type", "type of device rule", _RULE_TYPES) or "a",
        major=None if major == _UNLIMITED else major,  # Go's callers mean "any" by -1
        minor=None if minor == _UNLIMITED else minor,
        access=node.require(access, "access"),
    )


def _integer(node: Node, key: str) -> int | None:
    """A limit; whatever is below zero means none."""
    value = node.integer(key, INT64)
    return value if value is None or value >= 0 else _UNLIMITED


def _unset_by_zero(node: Node, key: str, value: int | None) -> int | None:
    """None for 0, by which Docker and containerd mean "not set", as runc takes it."""
    if value != 0:
        return value
    node.keep(key, 0)
    return None


def write(limits: Resources) -> dict[str, Any]:
    """The `resources` object, {} where nothing is limited."""
    unified = dict(limits.unified)
    if limits.memory_high_bytes is not None:
        high = limits.memory_high_bytes
        unified.setdefault("memory.high", "max" if high == _UNLIMITED else str(high))
    found: dict[str, Any] = {
        "devices": [_write_rule(rule) for rule in limits.devices],
        "memory": _write_memory(limits),
        "cpu": _write_cpu(limits),
        "pids": {} if limits.pids_limit is None else {"limit": limits.pids_limit},
        "blockIO": block_io.write(limits),
        "hugepageLimits": [
            {"pageSize": entry.page_size, "limit": entry.limit_bytes}
            for entry in limits.hugepage_limits
        ],
        "unified": unified,
    }
    return {key: value for key, value in found.items() if value}


def _write_memory(limits: Resources) -> dict[str, int | bool]:
    limit, swap = limits.memory_limit_bytes, limits.memory_swap_bytes
    total = swap
    if swap is not None and swap != _UNLIMITED:
        limit = _UNLIMITED if limit is None else limit
        total = swap if limit == _UNLIMITED else limit + swap
    kill = limits.memory_oom_kill
    pairs = (
        ("limit", limit),
        ("swap", total),
        ("reservation", limits.memory_reservation_bytes),
        ("kernelTCP", limits.memory_tcp_bytes),
        ("swappiness", limits.memory_swappiness),
        ("disableOOMKiller", None if kill is None else not kill),
    )
    return {key: value for key, value in pairs if value is not None}


def _write_cpu(limits: Resources) -> dict[str, Any]:
    quota, period = limits.cpu_quota_us, limits.cpu_period_us
    if limits.cpus is not None:
        period = period or _PERIOD_US
        quota = round(limits.cpus * period)
    shares = limits.cpu_shares
    if shares is None and limits.cpu_weight is not None:
        shares = weights.cpu_shares(limits.cpu_weight)
    values = {
        "shares": shares,
        "quota": quota,
        "period": period,
        "burst": limits.cpu_burst_us,
        "cpus": limits.cpuset,
        "mems": limits.cpuset_mems,
        "idle": None if limits.cpu_idle is None else int(limits.cpu_idle),
    }
    return {key: value for key, value in values.items() if value is not None}


def _write_rule(rule: DeviceRule) -> dict[str, Any]:
    found: dict[str, Any] = {"allow": rule.allow, "access": rule.access}
    if rule.type != "a":
        found["type"] = rule.type
    if rule.major is not None:
        found["major"] = rule.major
    if rule.minor is not None:
        found["minor"] = rule.minor
    return found
