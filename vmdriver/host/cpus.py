"""Tell the host's CPUs apart, from sysfs: their kind, their core, the memory near them.

Sources: Linux ``admin-guide/cputopology.rst`` and ``admin-guide/mm/numaperf.rst``;
``Documentation/ABI/testing/sysfs-devices-system-cpu`` for ``cpu_capacity``, which arm64 has and
x86 since it scales by it. Other kernels name an Intel hybrid's kinds by its counters
(``Documentation/ABI/testing/sysfs-bus-event_source-devices``, ``cpus``).
"""

import functools
from collections.abc import Iterable
from pathlib import Path

SYSFS = Path("/sys")

_COUNTERS = ("cpu_core", "cpu_atom", "cpu_lowpower")
"""Intel's kinds, the fastest first."""


def cpu_list(text: str) -> list[int]:
    """The CPUs in a kernel's list, as ``0-3,8`` (cpuset(7), "List Format")."""
    found: list[int] = []
    for part in text.strip().split(","):
        if part:
            first, _, last = part.partition("-")
            found += range(int(first), int(last or first) + 1)
    return found


@functools.cache
def kinds(cpus: frozenset[int], sysfs: Path = SYSFS) -> tuple[frozenset[int], ...]:
    """Some CPUs by kind, the fastest kind first; all in one where nothing tells them apart.

    Args:
        cpus: numbers of host CPUs.
        sysfs: where it is mounted.
    """
    ranks = {cpu: _capacity(cpu, sysfs) for cpu in cpus}
    if None in ranks.values():
        ranks = _by_counters(cpus, sysfs)
    by_rank: dict[int, set[int]] = {}
    for cpu, rank in ranks.items():
        by_rank.setdefault(rank or 0, set()).add(cpu)
    return tuple(frozenset(by_rank[rank]) for rank in sorted(by_rank, reverse=True))


@functools.cache
def spread(cpus: frozenset[int], sysfs: Path = SYSFS) -> tuple[int, ...]:
    """Some CPUs in the order to give them away: fast kinds first, and each core's first thread.

    The first n of them lie on as many cores as can be, within a kind: two threads of one core
    share what they compute with.
    """
    order: list[tuple[int, int, int]] = []
    for rank, alike in enumerate(kinds(cpus, sysfs)):
        used: dict[int, int] = {}
        for cpu in sorted(alike):
            core = _core(cpu, sysfs)
            order.append((rank, used.get(core, 0), cpu))
            used[core] = used.get(core, 0) + 1
    return tuple(cpu for _rank, _thread, cpu in sorted(order))


@functools.cache
def nodes_of(cpus: frozenset[int], sysfs: Path = SYSFS) -> tuple[int, ...]:
    """The NUMA nodes of some CPUs; empty where the host has but one: there is nothing to choose."""
    nodes = {
        int(path.name.removeprefix("node")): path
        for path in (sysfs / "devices/system/node").glob("node*")
        if path.name.removeprefix("node").isdigit()
    }
    if len(nodes) < 2:  # noqa: PLR2004  # one node
        return ()
    return tuple(
        number
        for number, path in sorted(nodes.items())
        if cpus & set(cpu_list((path / "cpulist").read_text()))
    )


def as_list(cpus: Iterable[int]) -> str:
    """The numbers as ``taskset --cpu-list`` and libvirt take them."""
    return ",".join(map(str, sorted(cpus)))


def _cpu(cpu: int, sysfs: Path) -> Path:
    return sysfs / f"devices/system/cpu/cpu{cpu}"


def _capacity(cpu: int, sysfs: Path) -> int | None:
    try:
        return int((_cpu(cpu, sysfs) / "cpu_capacity").read_text())
    except (OSError, ValueError):
        return None


def _by_counters(cpus: Iterable[int], sysfs: Path) -> dict[int, int | None]:
    ranks: dict[int, int | None] = dict.fromkeys(cpus)
    for rank, name in enumerate(reversed(_COUNTERS), start=1):
        try:
            listed = cpu_list((sysfs / "devices" / name / "cpus").read_text())
        except (OSError, ValueError):
            continue
        ranks |= {cpu: rank for cpu in listed if cpu in ranks}
    return ranks


def _core(cpu: int, sysfs: Path) -> int:
    """The first CPU of its core: of a core on another socket too it is another one."""
    for name in ("core_cpus_list", "thread_siblings_list"):  # the name before Linux 5.3
        try:
            return min(cpu_list((_cpu(cpu, sysfs) / "topology" / name).read_text()))
        except (OSError, ValueError):
            continue
    return cpu
