"""Checks of what would spoil a number: settings of the host, and who else is busy on it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from benchmarks.host import fingerprint
from benchmarks.host.conditions import STEAL_SHARE
from tare.doctor import cpu
from tare.doctor.model import WATCH_SECONDS, Check, State, disturbance

if TYPE_CHECKING:
    from collections.abc import Mapping

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
        cpu.processors(identity),
        cpu.virtualised(identity),
        cpu.governor(identity),
        cpu.preference(identity),
        cpu.turbo(identity),
        cpu.supply(identity),
        cpu.throttling(before, after),
        cpu.smt(identity),
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


def ksm(state: Mapping[str, Any]) -> Check:
    """Check that the kernel does not merge equal pages of guests."""
    found = state["ksm"]
    return disturbance(
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
    return disturbance(
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
    return disturbance(
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
    return disturbance(
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
    return disturbance(
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
        return disturbance(
            "steal", "stolen time", State.INFO, "not visible here", "/proc/stat", None
        )
    ticks = after.cpu_ticks - (before.cpu_ticks or 0)
    now = (after.steal_ticks - (before.steal_ticks or 0)) / ticks if ticks > 0 else 0.0
    ever = after.steal_ticks / after.cpu_ticks
    return disturbance(
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
    return disturbance(
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
        return disturbance("psi", "pressure", State.INFO, found, "/proc/pressure", None)
    took_us = (after.at_ns - before.at_ns) / 1000
    shares = {
        name: (total - before.psi_us.get(name, total)) / took_us
        for name, total in after.psi_us.items()
    }
    return disturbance(
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
    return disturbance(
        "memory",
        "memory",
        State.OK if free >= gib else State.WARN,
        f"{free / gib:.1f} of {total / gib:.1f} GiB available",
        "MemAvailable of /proc/meminfo",
        "a campaign needs about 1 GiB; free some, or lower its memory",
    )
