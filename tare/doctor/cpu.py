"""Checks of the processors: which there are, and what makes them faster or slower."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tare.doctor.model import WATCH_SECONDS, Check, State, disturbance

if TYPE_CHECKING:
    from collections.abc import Mapping

    from benchmarks.host import fingerprint


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
    return disturbance(
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
    return disturbance(
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
    return disturbance(
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
    return disturbance(
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
    return disturbance(
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
    return disturbance(
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
    return disturbance(
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
    return disturbance(
        "smt",
        "hyper-threads",
        State.INFO if found is None else State.WARN if found else State.OK,
        {None: "not visible here", True: "on", False: "off"}[found],
        "/sys/devices/system/cpu/smt/active",
        "a busy sibling halves a CPU: echo off > /sys/devices/system/cpu/smt/control",
    )
