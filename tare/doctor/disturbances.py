"""Checks of what would spoil a number: settings of the host, and who else is busy on it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from benchmarks.host import fingerprint
from benchmarks.host.conditions import STEAL_SHARE
from tare.doctor.model import Check, State

if TYPE_CHECKING:
    from collections.abc import Mapping

WATCH_SECONDS = 0.3
CLOCK_STEP_NS = 1000
"""Steps of the clock above this are a visible part of the shortest interval measured (1 ms)."""
BUSY_SHARE = 0.25
PRESSURE_SHARE = 0.10


def checks() -> tuple[Check, ...]:
    """Make every check of disturbances; watches the host for a third of a second."""
    before = fingerprint.conditions()
    time.sleep(WATCH_SECONDS)
    after = fingerprint.conditions()
    found = fingerprint.fingerprint()
    identity, state = found["identity"], found["state"]
    return (
        processors(identity),
        virtualised(identity),
        governor(identity),
        preference(identity),
        turbo(identity),
        supply(identity),
        throttling(before, after),
        smt(identity),
        ksm(state),
        thp(identity),
        swap(state),
        clocksource(identity, state),
        clock(),
        steal(before, after),
        load(before),
        pressure(before, after),
        memory(after),
    )


def processors(identity: Mapping[str, Any]) -> Check:
    """Check that there is a CPU beside the measured one."""
    count, kinds = identity["cpus"] or 0, identity["cpu_kinds"] or []
    found = [f"{count} x {identity['cpu_model'] or 'unknown model'}"]
    if (identity["sockets"] or 1) > 1:
        found.append(f"{identity['sockets']} sockets")
    if len(kinds) > 1:
        found.append(f"of {len(kinds)} kinds: {' and '.join(map(str, kinds))}, the fastest first")
    if identity["isolated"]:
        found.append(f"isolated {','.join(map(str, identity['isolated']))}: name them as cpuset")
    return _check(
        "cpus",
        "processors",
        State.OK if count > 1 else State.WARN,
        "; ".join(found),
        "/sys/devices/system/cpu, /proc/cpuinfo",
        "the harness shares the only CPU with what it measures; use a host with two or more",
    )


def virtualised(identity: Mapping[str, Any]) -> Check:
    """Check whether the host is itself a guest: its neighbours are invisible."""
    inside = identity["virtualised"]
    name = " ".join(n for n in (identity["hypervisor"], identity["product"]) if n)
    return _check(
        "virtualised",
        "virtualised",
        State.INFO if inside is None else State.WARN if inside else State.OK,
        {None: "cannot be told here", True: f"yes{f' ({name})' if name else ''}", False: "no"}[
            inside
        ],
        "CPUID's hypervisor bit, clock sources, device tree, DMI",
        "neighbours can disturb without being seen; nested guests are slower than on bare metal",
    )


def governor(identity: Mapping[str, Any]) -> Check:
    """Check that the CPU's frequency does not follow the load."""
    found = identity["governor"]
    return _check(
        "governor",
        "frequency governor",
        State.INFO if found is None else State.OK if found == "performance" else State.WARN,
        found or "not visible here",
        "cpufreq/scaling_governor of every CPU",
        "cpupower frequency-set -g performance" if found else None,
    )


def preference(identity: Mapping[str, Any]) -> Check:
    """Check that neither the CPU nor the firmware is asked to save power."""
    wanted = [("epp", "energy preference"), ("platform_profile", "platform profile")]
    found = [f"{words} {identity[key]}" for key, words in wanted if identity[key]]
    fast = all(identity[key] in {None, "performance"} for key, _ in wanted)
    return _check(
        "preference",
        "energy preference",
        State.INFO if not found else State.OK if fast else State.WARN,
        ", ".join(found) or "not visible here",
        "cpufreq/energy_performance_preference, /sys/firmware/acpi/platform_profile",
        "the CPU is slow to speed up; powerprofilesctl set performance, or write it there",
    )


def supply(identity: Mapping[str, Any]) -> Check:
    """Check that the host is not on a battery."""
    found = identity["power"]
    return _check(
        "power",
        "power",
        State.INFO if found is None else State.OK if found == "mains" else State.WARN,
        found or "no supply is told of",
        "/sys/class/power_supply",
        "the CPU is slower on a battery; plug it in",
    )


def throttling(before: fingerprint.Conditions, after: fingerprint.Conditions) -> Check:
    """Check whether heat holds the CPU back, now or since the boot."""
    count = after.throttles
    now = bool(after.hot) or (count or 0) > (before.throttles or 0)
    found = "nobody counts here" if count is None else f"{count} events since boot, all CPUs"
    return _check(
        "throttling",
        "throttling by heat",
        State.WARN if now else State.INFO if count is None or count else State.OK,
        f"{found}; {'too hot now' if after.hot else 'more just now'}" if now else found,
        f"thermal_throttle of every CPU and thermal zones, twice in {WATCH_SECONDS} s",
        "let the host cool down, or lower its load and its turbo",
    )


def turbo(identity: Mapping[str, Any]) -> Check:
    """Check that the frequency does not depend on temperature and neighbours."""
    found = identity["turbo"]
    return _check(
        "turbo",
        "turbo",
        State.INFO if found is None else State.WARN if found else State.OK,
        {None: "not visible here", True: "on", False: "off"}[found],
        "intel_pstate/no_turbo, cpufreq/boost",
        "switch it off for repeatable numbers" if found else None,
    )


def smt(identity: Mapping[str, Any]) -> Check:
    """Check whether two logical CPUs share a core."""
    found = identity["smt"]
    return _check(
        "smt",
        "hyper-threads",
        State.INFO if found is None else State.WARN if found else State.OK,
        {None: "not visible here", True: "on", False: "off"}[found],
        "/sys/devices/system/cpu/smt/active",
        "a busy sibling halves a CPU: echo off > /sys/devices/system/cpu/smt/control",
    )


def ksm(state: Mapping[str, Any]) -> Check:
    """Check that the kernel does not merge equal pages of guests."""
    found = state["ksm"]
    return _check(
        "ksm",
        "page merging (KSM)",
        State.INFO if found is None else State.WARN if found else State.OK,
        {None: "not built in", True: "running", False: "off"}[found],
        "/sys/kernel/mm/ksm/run",
        "it makes guests look smaller than they are: echo 0 > /sys/kernel/mm/ksm/run",
    )


def thp(identity: Mapping[str, Any]) -> Check:
    """Check how large pages are given: it changes both speed and resident memory."""
    found = identity["thp"]
    return _check(
        "thp",
        "huge pages",
        State.WARN if found == "always" else State.INFO if found is None else State.OK,
        found or "not built in",
        "/sys/kernel/mm/transparent_hugepage/enabled",
        "resident memory grows in steps of 2 MiB under `always`; `madvise` is steadier",
    )


def swap(state: Mapping[str, Any]) -> Check:
    """Check that memory cannot move to a disk while it is measured."""
    total, free = state["swap_total_bytes"] or 0, state["swap_free_bytes"] or 0
    used = (total - free) >> 20
    return _check(
        "swap",
        "swap",
        State.WARN if used else State.OK,
        f"{used} MiB of {total >> 20} MiB used" if total else "none",
        "/proc/meminfo",
        "resident memory is understated while pages are swapped out; swapoff -a",
    )


def clocksource(identity: Mapping[str, Any], state: Mapping[str, Any]) -> Check:
    """Check what the kernel tells time by."""
    found = identity["clocksource"]
    slow = found in {"hpet", "acpi_pm", "jiffies", "refined-jiffies"}
    return _check(
        "clocksource",
        "clock source",
        State.WARN if slow else State.OK,
        f"{found} (of {', '.join(state['clocksources'])})" if found else "not visible here",
        "/sys/devices/system/clocksource/clocksource0",
        "reading this clock takes microseconds; boot with tsc=reliable if the CPU has one",
    )


def clock() -> Check:
    """Measure the smallest step of CLOCK_MONOTONIC that a program sees."""
    steps = []
    for _ in range(2000):
        first = time.monotonic_ns()
        second = time.monotonic_ns()
        if second > first:
            steps.append(second - first)
    step = min(steps, default=0)
    return _check(
        "clock",
        "clock resolution",
        State.OK if 0 < step <= CLOCK_STEP_NS else State.WARN,
        f"{step} ns between two readings",
        "read CLOCK_MONOTONIC 4000 times",
        "intervals near a millisecond are coarse here",
    )


def steal(before: fingerprint.Conditions, after: fingerprint.Conditions) -> Check:
    """Measure the time the hypervisor below gave to others, now and since the boot."""
    if after.steal_ticks is None or not after.cpu_ticks:
        return _check("steal", "stolen time", State.INFO, "not visible here", "/proc/stat", None)
    ticks = after.cpu_ticks - (before.cpu_ticks or 0)
    now = (after.steal_ticks - (before.steal_ticks or 0)) / ticks if ticks > 0 else 0.0
    ever = after.steal_ticks / after.cpu_ticks
    return _check(
        "steal",
        "stolen time",
        State.WARN if max(now, ever) > STEAL_SHARE else State.OK,
        f"{now:.1%} now, {ever:.2%} since boot",
        f"/proc/stat, twice in {WATCH_SECONDS} s",
        "the hypervisor below takes CPU away; samples are flagged, more of them are needed",
    )


def load(now: fingerprint.Conditions) -> Check:
    """Check whether others keep the CPUs busy."""
    share = (now.load1 or 0.0) / now.cpus
    return _check(
        "load",
        "load",
        State.WARN if share > BUSY_SHARE else State.OK,
        f"{now.load1} over {now.cpus} CPUs, {now.runnable} more runnable",
        "/proc/loadavg",
        "wait until others are done, or stop them",
    )


def pressure(before: fingerprint.Conditions, after: fingerprint.Conditions) -> Check:
    """Measure how long tasks waited for something while we watched."""
    if not after.psi_us:
        found = "the kernel does not tell (psi=1)"
        return _check("psi", "pressure", State.INFO, found, "/proc/pressure", None)
    took_us = (after.at_ns - before.at_ns) / 1000
    shares = {
        name: (total - before.psi_us.get(name, total)) / took_us
        for name, total in after.psi_us.items()
    }
    return _check(
        "psi",
        "pressure",
        State.WARN if max(shares.values()) > PRESSURE_SHARE else State.OK,
        ", ".join(f"{name} {share:.0%}" for name, share in shares.items()) + " of the time",
        f"/proc/pressure, twice in {WATCH_SECONDS} s",
        "tasks wait for CPU, memory or disk; something else is at work here",
    )


def memory(now: fingerprint.Conditions) -> Check:
    """Check that instances fit beside what already runs."""
    free, total = now.mem_available_bytes or 0, now.mem_total_bytes or 0
    gib = 1 << 30
    return _check(
        "memory",
        "memory",
        State.OK if free >= gib else State.WARN,
        f"{free / gib:.1f} of {total / gib:.1f} GiB available",
        "MemAvailable of /proc/meminfo",
        "a campaign needs about 1 GiB; free some, or lower its memory",
    )


def _check(  # noqa: PLR0917  # the six columns of one row
    identifier: str, title: str, state: State, found: str, how: str, advice: str | None
) -> Check:
    """Make a check; advice is given only where something is amiss."""
    return Check(
        id=identifier,
        title=title,
        state=state,
        found=found,
        how=how,
        advice=advice if state in {State.WARN, State.FAIL} else None,
        group="disturbances",
    )
