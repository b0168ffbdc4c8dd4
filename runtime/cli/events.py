"""events: what a container uses, and kills for want of memory, one JSON object a line.

The names are those of runc's `events` (types/events.go there), for whom others' parsers are made.
"""

from __future__ import annotations

import json
import os
import re
import select
import time
from typing import TYPE_CHECKING, Any

from runtime.cgroups import usage
from runtime.cgroups.oom import OomWatch
from runtime.cli.options import UsageError
from runtime.errors import StateError

if TYPE_CHECKING:
    from runtime.cgroups.charges import CgroupCpu, CgroupDisk, CgroupMemory, CgroupStatistics
    from runtime.cli.entry import Entry
    from runtime.cli.options import Options

_DURATION = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)(ms|s|m|h)", re.ASCII)
_UNITS_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_NS = 1_000_000_000


def print_events(entry: Entry, options: Options) -> None:
    """Statistics, once or again and again until the container ends, and kills meanwhile.

    Raises:
        UsageError: the interval cannot be read.
        StateError: the container does not run, or has no control group.
    """
    interval_s = seconds(options.get("interval") or "5s")
    if not entry.alive:
        raise StateError(f"container not running: {entry.record.id} is {entry.status()}")
    paths = entry.record.cgroups
    if not paths:
        raise StateError(f"{entry.record.id} has no control group that would count anything")
    if options.has("stats"):
        _print_line("stats", entry, statistics(usage.statistics(paths)))
        return
    pidfd = os.pidfd_open(entry.record.pid)
    try:
        with OomWatch(paths) as watch:
            _follow(entry, interval_s, watch, pidfd)
    finally:
        os.close(pidfd)


def _follow(entry: Entry, interval_s: float, watch: OomWatch, pidfd: int) -> None:
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    poll.register(watch, select.POLLIN)
    kills, due = watch.kills(), time.monotonic()
    while True:
        left_s = due - time.monotonic()
        if left_s <= 0:
            _print_line("stats", entry, statistics(usage.statistics(entry.record.cgroups)))
            due += interval_s
            continue
        ready = [fd for fd, _ in poll.poll(left_s * 1000)]
        if watch.fileno() in ready:
            before, kills = kills, kills + watch.wait(0.0)
            if kills > before:
                _print_line("oom", entry)
        if pidfd in ready or watch.gone:
            return


def _print_line(kind: str, entry: Entry, data: dict[str, Any] | None = None) -> None:
    line: dict[str, Any] = {"type": kind, "id": entry.record.id}
    if data is not None:
        line["data"] = data
    print(json.dumps(line, separators=(",", ":")), flush=True)


def seconds(text: str) -> float:
    """A duration as Go writes it, e.g. "1m30s" or "500ms".

    Raises:
        UsageError: it is none, or not above zero.
    """
    found = _DURATION.findall(text)
    total = sum(float(number) * _UNITS_S[unit] for number, unit in found)
    if "".join(number + unit for number, unit in found) != text or not total:
        raise UsageError(f"--interval {text[:40]!r} is no duration such as 5s or 500ms")
    return total


def statistics(found: CgroupStatistics) -> dict[str, Any]:
    """By runc's names; what is not known here is left out."""
    shown: dict[str, Any] = {"cpu": _cpu(found.cpu), "memory": _memory(found.memory)}
    if found.pids:
        shown["pids"] = _given(current=found.pids.current, limit=found.pids.limit)
    if found.disks is not None:
        shown["blkio"] = _disks(found.disks)
    return shown


def _given(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _cpu(cpu: CgroupCpu | None) -> dict[str, Any]:
    if cpu is None:
        return {}
    return {
        "usage": _given(total=_ns(cpu.usage_s), kernel=_ns(cpu.system_s), user=_ns(cpu.user_s)),
        "throttling": _given(
            periods=cpu.periods,
            throttledPeriods=cpu.throttled_periods,
            throttledTime=_ns(cpu.throttled_s),
        ),
    }


def _ns(value_s: float | None) -> int | None:
    return None if value_s is None else round(value_s * _NS)


def _memory(memory: CgroupMemory | None) -> dict[str, Any]:
    if memory is None:
        return {}
    raw = _given(
        anon=memory.anon_bytes, file=memory.file_bytes, kernel=memory.kernel_bytes,
        kernel_stack=memory.kernel_stack_bytes, slab=memory.slab_bytes,
        pagetables=memory.page_tables_bytes, sock=memory.sock_bytes, oom_kill=memory.oom_kills,
    )  # fmt: skip
    return {
        **_given(cache=memory.file_bytes),
        "usage": _given(usage=memory.usage_bytes, max=memory.peak_bytes, limit=memory.limit_bytes),
        "swap": _given(usage=memory.swap_bytes),
        "kernel": _given(usage=memory.kernel_bytes),
        "kernelTCP": _given(usage=memory.sock_bytes),
        "raw": raw,
    }


def _disks(disks: tuple[CgroupDisk, ...]) -> dict[str, Any]:
    return {
        "ioServiceBytesRecursive": [
            entry for disk in disks for entry in _counts(disk, disk.read_bytes, disk.write_bytes)
        ],
        "ioServicedRecursive": [
            entry for disk in disks for entry in _counts(disk, disk.read_ops, disk.write_ops)
        ],
    }


def _counts(disk: CgroupDisk, read: int, written: int) -> list[dict[str, Any]]:
    place = {"major": disk.major, "minor": disk.minor}
    return [{**place, "op": "Read", "value": read}, {**place, "op": "Write", "value": written}]
