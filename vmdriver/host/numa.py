"""Find the memory near some CPUs, from sysfs (Linux ``admin-guide/mm/numaperf.rst``)."""

from collections.abc import Iterable
from pathlib import Path

_NODES = Path("/sys/devices/system/node")


def nodes_of(cpus: Iterable[int], folder: Path = _NODES) -> tuple[int, ...]:
    """The NUMA nodes of some CPUs; empty where the host has but one: there is nothing to choose.

    Args:
        cpus: numbers of host CPUs.
        folder: where ``node0``, ``node1``… are.
    """
    nodes = {
        int(path.name.removeprefix("node")): path
        for path in folder.glob("node*")
        if path.name.removeprefix("node").isdigit()
    }
    if len(nodes) < 2:  # noqa: PLR2004  # one node
        return ()
    wanted = set(cpus)
    near = []
    for number, path in sorted(nodes.items()):
        if wanted & set(cpu_list((path / "cpulist").read_text())):
            near.append(number)
    return tuple(near)


def cpu_list(text: str) -> list[int]:
    """The CPUs in a kernel's list, as ``0-3,8`` (cpuset(7), "List Format")."""
    found: list[int] = []
    for part in text.strip().split(","):
        if part:
            first, _, last = part.partition("-")
            found += range(int(first), int(last or first) + 1)
    return found
