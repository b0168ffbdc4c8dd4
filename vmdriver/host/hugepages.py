"""Tell whether a guest's RAM fits into the huge pages that the host keeps and nobody claims.

Source: Linux ``admin-guide/mm/hugetlbpage.rst``: of the free ones some may be reserved
(``HugePages_Rsvd``): mapped by another program, which has not touched them yet.
"""

from collections.abc import Iterable
from pathlib import Path

_HOST = Path("/")


def fit(memory_mib: int, nodes: Iterable[int] = (), root: Path = _HOST) -> bool:
    """Whether that much RAM fits into them.

    Args:
        memory_mib: MiB, to be a multiple of the pages' size.
        nodes: the NUMA nodes it has to come from; none are all.
        root: where ``proc`` and ``sys`` are.
    """
    try:
        mounts = (root / "proc/mounts").read_text()
        values = _values((root / "proc/meminfo").read_text())
    except OSError:
        return False
    size_kib = values.get("Hugepagesize", 0)
    # libvirt wants a hugetlbfs, though it does not use it here.
    if size_kib == 0 or not any(line.split()[2] == "hugetlbfs" for line in mounts.splitlines()):
        return False
    wanted, rest = divmod(memory_mib << 10, size_kib)
    reserved = values.get("HugePages_Rsvd", 0)
    # Nobody says on which node a reserved page will be taken: it could be on any.
    near = [_free(node, size_kib, root) for node in nodes]
    free = min(values.get("HugePages_Free", 0), sum(near)) if near else values["HugePages_Free"]
    return rest == 0 and wanted <= free - reserved


def _values(meminfo: str) -> dict[str, int]:
    """Numbers of ``/proc/meminfo`` (proc(5)) by name, of pages or kB as they stand there."""
    lines = (line.partition(":") for line in meminfo.splitlines())
    return {name: int(value.split()[0]) for name, _, value in lines if value.strip()}


def _free(node: int, size_kib: int, root: Path) -> int:
    pages = root / f"sys/devices/system/node/node{node}/hugepages/hugepages-{size_kib}kB"
    try:
        return int((pages / "free_hugepages").read_text())
    except (OSError, ValueError):
        return 0
