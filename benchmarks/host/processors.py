"""The host's processors: how they differ, and which of them a campaign measures on.

Paths are read below a ``root`` so that tests can pose a directory as a host.
"""

from __future__ import annotations

import os
import re
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from benchmarks.errors import UnsuitableHostError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

ROOT = Path("/")
FULL = 1024
"""Capacity of the fastest kind of core (Documentation/scheduler/sched-capacity.rst)."""

_CPU = "sys/devices/system/cpu"
_INTEL_KINDS = (("cpu_core", FULL), ("cpu_atom", FULL // 2), ("cpu_lowpower", FULL // 4))
"""Performance counters of hybrid Intel processors and, in order, what their cores are worth."""
_SAME_KIND = 0.85
"""Cores of one kind differ by a few percent in their highest frequency (Turbo Boost Max 3.0), those
of two kinds, such as Zen 5 and Zen 5c, by a third."""


class Processor(NamedTuple):
    """One logical CPU.

    Attributes:
        number: The kernel's number of it.
        core: Logical CPUs that share its core, itself among them.
        package: Its socket; 0 where the host does not say.
        capacity: What it is worth against the fastest kind of core, which has ``FULL``; equal for
            cores of one kind.
    """

    number: int
    core: frozenset[int]
    package: int
    capacity: int


def parse_list(text: str | None) -> frozenset[int]:
    """Read a kernel CPU list such as ``0-3,8`` (cpuset(7)); empty where there is none."""
    found: set[int] = set()
    for first, last in re.findall(r"([0-9]+)(?:-([0-9]+))?", text or ""):
        found.update(range(int(first), int(last or first) + 1))
    return frozenset(found)


def online(root: Path = ROOT) -> frozenset[int]:
    """Return the CPUs that are online; empty where the host does not say."""
    return parse_list(_read(root, "online"))


def isolated(root: Path = ROOT) -> frozenset[int]:
    """Return the CPUs that ``isolcpus=`` keeps other work away from."""
    return parse_list(_read(root, "isolated"))


def processors(numbers: Iterable[int], root: Path = ROOT) -> list[Processor]:
    """Describe these CPUs, four small reads each."""
    numbers = sorted(numbers)
    worth = _capacities(numbers, root)
    found = []
    for number in numbers:
        topology = f"cpu{number}/topology"
        siblings = _read(root, f"{topology}/core_cpus_list")
        siblings = siblings or _read(root, f"{topology}/thread_siblings_list")
        package = _read(root, f"{topology}/physical_package_id") or ""
        found.append(
            Processor(
                number,
                parse_list(siblings) | {number},
                int(package) if package.isdigit() else 0,
                worth[number],
            )
        )
    return found


def select(count: int, named: Collection[int], root: Path = ROOT) -> tuple[int, ...]:
    """Return the CPUs of a campaign: those it names, isolated ones among them, or the best.

    Raises:
        UnsuitableHostError: There are not as many, or one that is named is not allowed.
    """
    allowed = os.sched_getaffinity(0)
    missing = set(named) - allowed
    if missing and not (missing <= isolated(root) and may_run_on(named)):
        raise UnsuitableHostError(
            f"CPU {min(missing)} of the campaign's cpuset is not allowed here; "
            f"allowed are {_listed(allowed)}",
        )
    if named:
        return tuple(sorted(named))
    if count > len(allowed):
        apart = isolated(root) - allowed
        raise UnsuitableHostError(
            f"the campaign wants {count} CPUs, this host allows {len(allowed)}; "
            "lower cpus in the campaign"
            + (f", or name isolated ones as its cpuset: {_listed(apart)}" if apart else ""),
        )
    return choose(count, allowed, root)


def choose(count: int, allowed: Iterable[int], root: Path = ROOT) -> tuple[int, ...]:
    """Choose CPUs that are alike and do not disturb each other.

    Distinct cores of one kind in one socket, the fastest kind first; else of one kind in several
    sockets; else threads of one kind; else whatever there is. Among equals the last: interrupts
    and other work tend to the first.

    Args:
        count: How many, at most as many as are allowed.
        allowed: CPUs to choose from.
        root: Where to find ``sys``.
    """
    there = processors(allowed, root)
    kinds: dict[int, list[Processor]] = defaultdict(list)
    for one in there:
        kinds[one.capacity].append(one)
    fastest_first = [kinds[worth] for worth in sorted(kinds, reverse=True)]
    for kind in fastest_first:
        cores = list({one.core: one for one in kind}.values())
        sockets: dict[int, list[Processor]] = defaultdict(list)
        for one in cores:
            sockets[one.package].append(one)
        for candidates in (*(sockets[package] for package in sorted(sockets)[::-1]), cores):
            if len(candidates) >= count:
                return _last(candidates, count)
    for candidates in (*fastest_first, there):
        if len(candidates) >= count:
            return _last(candidates, count)
    return _last(there, count)


def may_run_on(cpus: Iterable[int]) -> bool:
    """Tell whether the kernel lets this thread onto these CPUs, by going there and back.

    An isolated CPU is in no affinity that is inherited, but can be asked for by name; a cpuset that
    lacks it forbids that (sched_setaffinity(2)).
    """
    wanted = set(cpus)
    before = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, wanted)
        reached = os.sched_getaffinity(0)
    except OSError:
        return False
    os.sched_setaffinity(0, before)
    return reached == wanted


def _listed(cpus: Iterable[int]) -> str:
    return ", ".join(map(str, sorted(cpus)))


def _last(candidates: Iterable[Processor], count: int) -> tuple[int, ...]:
    return tuple(sorted(one.number for one in candidates)[-count:])


def _capacities(numbers: Iterable[int], root: Path) -> dict[int, int]:
    """Return what each CPU is worth, from the first source that tells of any difference."""
    told = {number: _number(_read(root, f"cpu{number}/cpu_capacity")) for number in numbers}
    if len(set(told.values())) > 1 and all(told.values()):
        return {number: worth or FULL for number, worth in told.items()}
    for name, worth in _INTEL_KINDS:
        for number in parse_list(_read(root, f"../../{name}/cpus")) & told.keys():
            told[number] = worth
    if len(set(told.values()) - {None, FULL}) >= 1:
        return {number: worth or FULL for number, worth in told.items()}
    highest = {
        number: _number(_read(root, f"cpu{number}/cpufreq/cpuinfo_max_freq")) for number in told
    }
    most = max((frequency for frequency in highest.values() if frequency), default=0)
    return {
        number: FULL if not frequency or frequency >= _SAME_KIND * most else FULL // 2
        for number, frequency in highest.items()
    }


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isdigit() else None


def _read(root: Path, name: str) -> str | None:
    try:
        return (root / _CPU / name).read_text(encoding="ascii", errors="replace").strip()
    except OSError:
        return None
