"""The host's fingerprint: what a number depends on.

``identity`` holds the machine, its kernel and the settings that change its speed; which of it two
runs must share is in ``benchmarks.host.host_class``. ``state`` holds what changes from day to day
and is kept so that a surprising number can be explained. Everything is plain JSON data.

Paths are read below a ``root`` so that tests can pose a directory as a host.
"""

from __future__ import annotations

import hashlib
import os
import platform
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.host import machine, power, processors
from benchmarks.host.conditions import (
    Conditions,
    busy_seconds,
    conditions,
    flags,
    meanwhile,
    throttles,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "Conditions",
    "busy_seconds",
    "conditions",
    "fingerprint",
    "flags",
    "meanwhile",
]

ROOT = Path("/")
_CPU = "sys/devices/system/cpu"


def fingerprint(root: Path = ROOT) -> dict[str, Any]:
    """Describe the host.

    Args:
        root: Where to find ``proc`` and ``sys``; another directory only in tests.

    Returns:
        ``{"identity": {...}, "state": {...}}``, JSON data only; None where the host does not say.
    """
    cpu = _cpuinfo(root)
    cpus = processors.online(root)
    identity: dict[str, Any] = {
        "hostname": _read(root, "proc/sys/kernel/hostname"),
        "kernel_release": _read(root, "proc/sys/kernel/osrelease"),
        "kernel_version": _read(root, "proc/sys/kernel/version"),
        "architecture": platform.machine(),
        "cpu_model": cpu.get("model name") or cpu.get("CPU part"),
        "cpu_vendor": cpu.get("vendor_id") or cpu.get("CPU implementer"),
        "microcode": cpu.get("microcode"),
        "cpus": len(cpus) or os.cpu_count(),
        **_topology(cpus, root),
        "smt": _flag(_read(root, f"{_CPU}/smt/active")),
        "memory_bytes": meminfo(root).get("MemTotal"),
        "cgroup_mode": cgroup_mode(root),
        "cgroup_controllers": cgroup_controllers(root),
        "governor": _governors(root),
        "epp": _governors(root, "energy_performance_preference"),
        "turbo": _turbo(root),
        "platform_profile": _read(root, "sys/firmware/acpi/platform_profile"),
        "power": power.source(root),
        "thp": _chosen(_read(root, "sys/kernel/mm/transparent_hugepage/enabled")),
        "clocksource": _read(
            root, "sys/devices/system/clocksource/clocksource0/current_clocksource"
        ),
        "virtualised": machine.virtualised(cpu.get("flags"), root),
        "hypervisor": machine.hypervisor(root),
        "product": machine.product(root),
        "lsm": _read(root, "sys/kernel/security/lsm"),
        "mitigations": _mitigations(root),
    }
    state: dict[str, Any] = {
        "boot": _boot(root),
        "distribution": _distribution(root),
        "ksm": _flag(_read(root, "sys/kernel/mm/ksm/run")),
        "ksm_pages_sharing": _int(_read(root, "sys/kernel/mm/ksm/pages_sharing")),
        "swap_total_bytes": meminfo(root).get("SwapTotal"),
        "swap_free_bytes": meminfo(root).get("SwapFree"),
        "clocksources": (
            _read(root, "sys/devices/system/clocksource/clocksource0/available_clocksource") or ""
        ).split(),
        "lockdown": _chosen(_read(root, "sys/kernel/security/lockdown")),
        "loadavg": _read(root, "proc/loadavg"),
        "throttles": throttles(cpus, root),
        "python": platform.python_version(),
    }
    return {"identity": identity, "state": state}


def meminfo(root: Path = ROOT) -> dict[str, int]:
    """Read /proc/meminfo; sizes in bytes, by the kernel's own names (proc_meminfo(5))."""
    found = {}
    for line in (_read(root, "proc/meminfo") or "").splitlines():
        name, _, rest = line.partition(":")
        words = rest.split()
        if words and words[0].isdigit():
            found[name] = int(words[0]) * (1024 if words[1:] == ["kB"] else 1)
    return found


def cgroup_mode(root: Path = ROOT) -> str | None:
    """Say how cgroups are mounted: ``v2``, ``v1``, ``hybrid``, or None where they are not."""
    kinds = {kind for kind, _, _ in _cgroup_mounts(root)}
    if kinds == {"cgroup2"}:
        return "v2"
    if kinds == {"cgroup"}:
        return "v1"
    return "hybrid" if kinds else None


def cgroup_controllers(root: Path = ROOT) -> dict[str, str]:
    """Map each usable controller to the version that has it, for example ``{"memory": "v1"}``."""
    found: dict[str, str] = {}
    for kind, where, options in _cgroup_mounts(root):
        if kind == "cgroup2":
            listed = _read(root, f"{where.lstrip('/')}/cgroup.controllers") or ""
            found.update(dict.fromkeys(listed.split(), "v2"))
        else:
            names = {o for o in options.split(",") if re.fullmatch(r"[a-z_]+", o)}
            names -= {"rw", "ro", "nosuid", "nodev", "noexec", "relatime", "xattr", "noprefix"}
            found.update(dict.fromkeys(names, "v1"))
    return dict(sorted(found.items()))


def _cgroup_mounts(root: Path) -> list[tuple[str, str, str]]:
    mounts = []
    for line in (_read(root, "proc/self/mounts") or "").splitlines():
        words = line.split()
        if len(words) >= 4 and words[2] in {"cgroup", "cgroup2"}:  # noqa: PLR2004  # fstab(5) order
            mounts.append((words[2], words[1], words[3]))
    return mounts


def _cpuinfo(root: Path) -> dict[str, str]:
    """Read the first processor's lines of /proc/cpuinfo."""
    first = (_read(root, "proc/cpuinfo") or "").split("\n\n", 1)[0]
    pairs = (line.partition(":") for line in first.splitlines())
    return {name.strip(): value.strip() for name, _, value in pairs}


def _topology(cpus: Iterable[int], root: Path) -> dict[str, Any]:
    """Say how many sockets and memory nodes there are, and which CPUs differ from others."""
    there = processors.processors(cpus, root)
    kinds: dict[int, int] = {}
    for one in there:
        kinds[one.capacity] = kinds.get(one.capacity, 0) + 1
    nodes = processors.parse_list(_read(root, "sys/devices/system/node/online"))
    return {
        "sockets": len({one.package for one in there}) or None,
        "memory_nodes": len(nodes) or None,
        # CPUs of each kind, the fastest first; one number where all are alike
        "cpu_kinds": [kinds[worth] for worth in sorted(kinds, reverse=True)] or None,
        "isolated": sorted(processors.isolated(root)),
    }


def _governors(root: Path, name: str = "scaling_governor") -> str | None:
    paths = sorted(root.glob(f"{_CPU}/cpu[0-9]*/cpufreq/{name}"))
    found = {text for path in paths if (text := _read(path)) is not None}
    return ",".join(sorted(found)) or None


def _turbo(root: Path) -> bool | None:
    """Say whether the CPU may exceed its nominal frequency; intel_pstate states it inverted."""
    inverted = _flag(_read(root, f"{_CPU}/intel_pstate/no_turbo"))
    return _flag(_read(root, f"{_CPU}/cpufreq/boost")) if inverted is None else not inverted


def _mitigations(root: Path) -> dict[str, str]:
    paths = sorted(root.glob(f"{_CPU}/vulnerabilities/*"))
    return {path.name: text for path in paths if (text := _read(path)) is not None}


def _boot(root: Path) -> str | None:
    """Hash the boot's identity: enough to see that two runs share a boot, no more."""
    text = _read(root, "proc/sys/kernel/random/boot_id")
    return hashlib.sha256(text.encode()).hexdigest()[:16] if text else None


def _distribution(root: Path) -> str | None:
    found = re.search(
        r'^PRETTY_NAME="?([^"\n]*)', _read(root, "etc/os-release") or "", re.MULTILINE
    )
    return found[1] if found else None


def _chosen(text: str | None) -> str | None:
    """Pick the bracketed word of the kernel's ``always [madvise] never``."""
    found = re.search(r"\[(\w+)\]", text or "")
    return found[1] if found else None


def _flag(text: str | None) -> bool | None:
    return None if text is None else text not in {"0", "N", "off"}


def _int(text: str | None) -> int | None:
    return int(text) if text and text.lstrip("-").isdigit() else None


def _read(root: Path, name: str = "") -> str | None:
    """Read a small pseudo-file; None where it is missing, refused or not supported."""
    try:
        return (root / name if name else root).read_text(errors="replace").strip()
    except OSError:
        return None
