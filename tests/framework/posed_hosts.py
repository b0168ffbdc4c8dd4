"""Directories that pose as hosts: /proc and /sys as kernels of well-known machines show them.

`tests/data/hosts/NAME.txt` holds the files of one, each below a line ``### path``. What the kernel
says of every CPU alone is made here, from a table.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

DATA = Path(__file__).parents[1] / "data" / "hosts"
CPU = "sys/devices/system/cpu"


@dataclass(frozen=True)
class Cores:
    """Equal cores of one socket.

    Attributes:
        threads: logical CPUs of each core.
        package: their socket.
        files: of every one of their CPUs, below ``cpuN``.
    """

    threads: tuple[tuple[int, ...], ...]
    package: int = 0
    files: dict[str, str] = field(default_factory=dict)


def adjacent(first: int, cores: int, threads: int = 1) -> tuple[tuple[int, ...], ...]:
    """Cores whose threads have consecutive numbers, as on Intel's hybrid processors."""
    return tuple(
        tuple(range(first + core * threads, first + (core + 1) * threads)) for core in range(cores)
    )


def apart(first: int, cores: int, stride: int) -> tuple[tuple[int, ...], ...]:
    """Cores of two threads that are `stride` apart, as firmware of servers numbers them."""
    return tuple((first + core, first + core + stride) for core in range(cores))


def _cpufreq(governor: str, now: int, most: int, **more: str) -> dict[str, str]:
    named = {"scaling_governor": governor, "scaling_cur_freq": str(now), **more}
    named["cpuinfo_max_freq"] = str(most)
    return {f"cpufreq/{name}": text for name, text in named.items()}


_BALANCED = {"energy_performance_preference": "balance_performance"}
_THROTTLED = {
    "thermal_throttle/core_throttle_count": "3",
    "thermal_throttle/package_throttle_count": "41",
}
_NEVER = dict.fromkeys(_THROTTLED, "0")
_SERVER = _cpufreq("performance", 3_241_000, 3_529_052)

TOPOLOGIES: dict[str, list[Cores]] = {
    # Core i7-1360P: four performance cores of two threads, eight efficient ones
    "laptop": [
        Cores(adjacent(0, 4, 2), files=_cpufreq("powersave", 2_900_000, 5_000_000, **_BALANCED)
              | _THROTTLED),
        Cores(adjacent(8, 8), files=_cpufreq("powersave", 1_400_000, 3_700_000, **_BALANCED)
              | _THROTTLED),
    ],
    # two EPYC 7763 of 64 cores, a core's second thread 128 behind its first
    "two-sockets": [
        Cores(apart(0, 64, 128), package=0, files=_SERVER),
        Cores(apart(64, 64, 128), package=1, files=_SERVER),
    ],
    "graviton": [Cores(adjacent(0, 2), files={"cpu_capacity": "1024"})],
    "wsl2": [Cores(adjacent(0, 4, 2))],
    "azure-runner": [Cores(adjacent(0, 2, 2))],
    "privileged-container": [Cores(adjacent(0, 2, 2))],
    "lxc": [Cores(adjacent(0, 4))],
    # Xeon E-2288G
    "bare-metal": [
        Cores(apart(0, 8, 8), files=_cpufreq("performance", 4_700_000, 5_000_000,
              energy_performance_preference="performance") | _NEVER)
    ],
}  # fmt: skip
NAMES = tuple(TOPOLOGIES)


def pose(name: str, root: Path) -> Path:
    """Write a host's files below `root`; return it."""
    for path, text in _files((DATA / f"{name}.txt").read_text(encoding="utf-8")).items():
        write(root, path, text)
    for cores in TOPOLOGIES[name]:
        package = sorted(
            number
            for other in TOPOLOGIES[name]
            if other.package == cores.package
            for threads in other.threads
            for number in threads
        )
        for number, threads in enumerate(cores.threads):
            for cpu in threads:
                siblings = ",".join(map(str, threads))
                told = {
                    "topology/core_id": str(number),
                    "topology/physical_package_id": str(cores.package),
                    "topology/core_cpus_list": siblings,
                    "topology/thread_siblings_list": siblings,
                    "topology/package_cpus_list": ",".join(map(str, package)),
                    **cores.files,
                }
                for path, text in told.items():
                    write(root, f"{CPU}/cpu{cpu}/{path}", f"{text}\n")
    return root


def write(root: Path, name: str, text: str) -> None:
    """Write one file of a host, with its folders."""
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def _files(text: str) -> dict[str, str]:
    found = {}
    for part in re.split(r"^### ", text, flags=re.MULTILINE)[1:]:
        path, _, content = part.partition("\n")
        found[path] = content
    return found
