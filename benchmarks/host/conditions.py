"""What the host was doing while something was measured, and which of it spoils a number.

A snapshot is a handful of small reads (about 0.3 ms; what it takes on a host is measured there, as
``host_watch_s``), so one can be taken before and after every visit. Of the CPUs only those of the
campaign are looked at, so more of them cost no more. Two snapshots give flags; a flagged sample is
kept, and a report can say what share was disturbed. The thresholds are meant to catch what moves a
median, not every hiccup.
"""

from __future__ import annotations

import functools
import os
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from benchmarks.host import processors

if TYPE_CHECKING:
    from collections.abc import Iterable

ROOT = Path("/")
_CPU = "sys/devices/system/cpu/cpu"

STEAL_SHARE = 0.01
"""Share of all CPU time the hypervisor below gave to someone else."""
BUSY_CPUS = 0.5
"""CPUs' worth of runnable work present *before* a visit began: it is not ours."""
PSI_SHARE = 0.05
"""Share of the visit in which some task waited for memory or for I/O."""
SWAP_PAGES = 1
"""Pages swapped in or out: one page read back from disk costs more than a container start."""
MEMORY_LEFT = 0.05
"""MemAvailable below this share of MemTotal: reclaim is near."""
FREQUENCY_DROP = 0.10
"""Fall of the mean CPU frequency between the two snapshots."""
MERGED_PAGES = 256
"""Pages that KSM merged or parted meanwhile: beyond a mebibyte they show in memory figures."""


class Conditions(msgspec.Struct, frozen=True, kw_only=True):
    """One snapshot; None where the host does not tell.

    Attributes:
        at_ns: CLOCK_MONOTONIC of the snapshot, nanoseconds.
        cpus: CPUs the kernel counts in ``/proc/stat``.
        load1: One-minute load average, tasks.
        runnable: Tasks runnable at this instant, this one left out.
        cpu_ticks: All accounted CPU time, clock ticks (USER_HZ), steal included.
        steal_ticks: Time stolen by the hypervisor below, clock ticks.
        psi_us: Total time some task waited, microseconds, by resource (cpu, memory, io).
        mem_available_bytes: MemAvailable.
        mem_total_bytes: MemTotal.
        swap_pages: Pages swapped in and out since boot.
        throttles: Thermal throttling events since boot, of the cores and packages looked at.
        frequency_hz: Mean current frequency of the CPUs looked at.
        idle_ticks: CPU time in which nothing ran, waiting for I/O included, clock ticks.
        ksm_pages: Pages that KSM saves (``pages_sharing``).
        hot: Whether a thermal zone has reached the trip point from which the kernel throttles; None
            where the kernel throttles by no zone.
    """

    at_ns: int
    cpus: int
    load1: float | None
    runnable: int | None
    cpu_ticks: int | None
    steal_ticks: int | None
    psi_us: dict[str, int]
    mem_available_bytes: int | None
    mem_total_bytes: int | None
    swap_pages: int | None
    throttles: int | None
    frequency_hz: float | None
    idle_ticks: int | None = None
    ksm_pages: int | None = None
    hot: bool | None = None


def conditions(root: Path = ROOT, cpus: Iterable[int] | None = None) -> Conditions:
    """Take a snapshot of the host.

    Args:
        root: Where to find ``proc`` and ``sys``; another directory only in tests.
        cpus: Those whose frequency and throttling matter, the campaign's; None for all, which takes
            longer the more there are.
    """
    looked_at = processors.online(root) if cpus is None else frozenset(cpus)
    stat = _read(root / "proc/stat")
    ticks = [int(word) for word in (stat.split("\n", 1)[0].split()[1:] if stat else [])]
    load = _read(root / "proc/loadavg").split()
    memory = dict(
        re.findall(r"^(MemTotal|MemAvailable):\s+(\d+)", _read(root / "proc/meminfo"), re.MULTILINE)
    )
    swapped = re.findall(r"^pswp(?:in|out) (\d+)", _read(root / "proc/vmstat"), re.MULTILINE)
    return Conditions(
        at_ns=time.monotonic_ns(),
        cpus=len(re.findall(r"^cpu\d+ ", stat, re.MULTILINE)) or os.cpu_count() or 1,
        load1=float(load[0]) if load else None,
        runnable=max(0, int(load[3].split("/")[0]) - 1) if len(load) > 3 else None,  # noqa: PLR2004  # proc_loadavg(5)
        cpu_ticks=sum(ticks[:8]) or None,
        steal_ticks=ticks[7] if len(ticks) > 7 else None,  # noqa: PLR2004  # proc_stat(5): eighth
        psi_us=_pressure(root),
        mem_available_bytes=_kib(memory.get("MemAvailable")),
        mem_total_bytes=_kib(memory.get("MemTotal")),
        swap_pages=sum(map(int, swapped)) if swapped else None,
        throttles=throttles(looked_at, root),
        frequency_hz=_frequency(looked_at, root),
        idle_ticks=sum(ticks[3:5]) if len(ticks) > 4 else None,  # noqa: PLR2004  # proc_stat(5)
        ksm_pages=_number(root / "sys/kernel/mm/ksm/pages_sharing"),
        hot=_hot(root),
    )


def flags(before: Conditions, after: Conditions) -> tuple[str, ...]:
    """Name what disturbed a measurement taken between two snapshots.

    Returns:
        Some of ``steal``, ``load``, ``psi``, ``swap``, ``memory``, ``thermal``, ``frequency``,
        ``ksm``.
    """
    found = []
    steal = _grown(before.steal_ticks, after.steal_ticks)
    ticks = _grown(before.cpu_ticks, after.cpu_ticks)
    if steal > 0 and steal > STEAL_SHARE * ticks:
        found.append("steal")
    if (
        before.load1 is not None
        and before.runnable is not None
        and (
            # The load average lags by a minute and remembers our own last visit; tasks runnable
            # right now, before we began, are someone else's. Only both together earn a flag.
            before.load1 > BUSY_CPUS * before.cpus
            and before.runnable >= max(1, BUSY_CPUS * before.cpus)
        )
    ):
        found.append("load")
    took_us = max(1.0, (after.at_ns - before.at_ns) / 1000)
    waits = (_grown(before.psi_us.get(r), after.psi_us.get(r)) for r in ("memory", "io"))
    if any(wait / took_us > PSI_SHARE for wait in waits):
        found.append("psi")
    if _grown(before.swap_pages, after.swap_pages) >= SWAP_PAGES:
        found.append("swap")
    if (
        after.mem_available_bytes
        and after.mem_total_bytes
        and (after.mem_available_bytes < MEMORY_LEFT * after.mem_total_bytes)
    ):
        found.append("memory")
    if _grown(before.throttles, after.throttles) > 0 or after.hot:
        found.append("thermal")
    if (
        before.frequency_hz
        and after.frequency_hz
        and (after.frequency_hz < (1 - FREQUENCY_DROP) * before.frequency_hz)
    ):
        found.append("frequency")
    if (
        before.ksm_pages is not None
        and after.ksm_pages is not None
        and abs(after.ksm_pages - before.ksm_pages) > MERGED_PAGES
    ):
        found.append("ksm")
    return tuple(found)


def busy_seconds(root: Path = ROOT) -> float | None:
    """Return the CPU time for which any thread of the host has run, in seconds; None if not told.

    User, nice, system, interrupts and soft interrupts of all CPUs (proc_stat(5)), in clock ticks;
    what the hypervisor below stole is not in it. Only differences mean something.
    """
    words = _read(root / "proc/stat").split("\n", 1)[0].split()[1:]
    if len(words) < 7:  # noqa: PLR2004  # proc_stat(5): softirq is the seventh
        return None
    ticks = [int(word) for word in words]
    return (sum(ticks[:3]) + sum(ticks[5:7])) / os.sysconf("SC_CLK_TCK")


def meanwhile(before: Conditions, after: Conditions) -> dict[str, float]:
    """Say what the host did between two snapshots; what it does not tell is left out.

    Returns:
        ``steal_ratio``: share of all CPU time that the hypervisor below gave to someone else
        (proc_stat(5)); ``psi_cpu_ratio``, ``psi_memory_ratio`` and ``psi_io_ratio``: share of the
        time in which some task waited for it (Documentation/accounting/psi.rst, "some");
        ``busy_cpus``: CPUs that were busy on average, all threads of the host; ``load1``: the load
        average before, tasks.
    """
    took_us = max(1.0, (after.at_ns - before.at_ns) / 1000)
    found = {
        f"psi_{name}_ratio": _grown(before.psi_us[name], after.psi_us.get(name)) / took_us
        for name in before.psi_us
    }
    if before.steal_ticks is not None and before.cpu_ticks is not None:
        ticks = max(1, _grown(before.cpu_ticks, after.cpu_ticks))
        found["steal_ratio"] = _grown(before.steal_ticks, after.steal_ticks) / ticks
    if before.idle_ticks is not None and before.cpu_ticks is not None:
        ticks = max(1, _grown(before.cpu_ticks, after.cpu_ticks))
        idle = _grown(before.idle_ticks, after.idle_ticks)
        found["busy_cpus"] = max(0.0, 1 - idle / ticks) * before.cpus
    if before.load1 is not None:
        found["load1"] = before.load1
    return {name: round(value, 6) for name, value in found.items()}


def _grown(before: int | None, after: int | None) -> int:
    return max(0, after - before) if before is not None and after is not None else 0


def _kib(text: str | None) -> int | None:
    return int(text) * 1024 if text else None


def _pressure(root: Path) -> dict[str, int]:
    found = {}
    for resource in ("cpu", "memory", "io"):
        text = _read(root / f"proc/pressure/{resource}")
        if total := re.search(r"^some .*total=(\d+)", text, re.MULTILINE):
            found[resource] = int(total[1])
    return found


def throttles(cpus: Iterable[int], root: Path = ROOT) -> int | None:
    """Count the thermal throttling events of these CPUs since boot; None where nobody counts.

    Of their cores and of their packages (Documentation/ABI/testing/sysfs-devices-system-cpu,
    thermal_throttle), each as often as it has a CPU here: only its growth means something.
    """
    counts = [
        count
        for cpu in cpus
        for kind in ("core", "package")
        if (count := _number(root / f"{_CPU}{cpu}/thermal_throttle/{kind}_throttle_count"))
        is not None
    ]
    return sum(counts) if counts else None


def _hot(root: Path) -> bool | None:
    """Tell whether a zone is at a trip point from which the kernel throttles."""
    states = [now >= limit for path, limit in _limits(root) if (now := _number(path)) is not None]
    return any(states) if states else None


@functools.lru_cache(maxsize=4)
def _limits(root: Path) -> tuple[tuple[Path, int], ...]:
    """Find, once, where the temperature is read and from which on the kernel throttles.

    A passive trip point is one only where a cooling device is bound to it: those of x86_pkg_temp
    are there for programs to be notified by and mostly unset, which reads as -274000 (below the
    absolute zero, THERMAL_TEMP_INVALID) or 0 (Documentation/ABI/testing/sysfs-class-thermal).
    """
    found = []
    for zone in sorted(root.glob("sys/class/thermal/thermal_zone[0-9]*")):
        bound = {_number(path) for path in zone.glob("cdev[0-9]*_trip_point")}
        for kind in zone.glob("trip_point_*_type"):
            number = kind.name.split("_")[2]
            limit = _number(zone / f"trip_point_{number}_temp")
            passive = _read(kind).strip() == "passive"
            if passive and int(number) in bound and limit is not None and limit > 0:
                found.append((zone / "temp", limit))
    return tuple(found)


def _number(path: Path) -> int | None:
    text = _read(path).strip()
    return int(text) if text.lstrip("-").isdigit() else None


def _frequency(cpus: Iterable[int], root: Path) -> float | None:
    """Average what cpufreq reports; /proc/cpuinfo is not asked, a guest reads a constant there."""
    known = [
        khz * 1000
        for cpu in cpus
        if (khz := _number(root / f"{_CPU}{cpu}/cpufreq/scaling_cur_freq")) is not None
    ]
    return sum(known) / len(known) if known else None


def _read(path: Path) -> str:
    """Read a pseudo-file; empty where it is missing or refused (PSI gives EOPNOTSUPP when off)."""
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""
