from pathlib import Path

import pytest

from tests.unit.vmdriver.host import trees
from vmdriver.host import hugepages

MEMINFO = """\
MemTotal: 1000000 kB
HugePages_Total:     140
HugePages_Free:      {free}
HugePages_Rsvd:      {reserved}
Hugepagesize:       2048 kB
"""
MOUNTS = "proc /proc proc rw 0 0\nhugetlbfs /dev/hugepages hugetlbfs rw 0 0\n"
NODE = "sys/devices/system/node/node{}/hugepages/hugepages-2048kB/free_hugepages"


def host(root: Path, free: int, reserved: int = 0, mounts: str = MOUNTS) -> Path:
    meminfo = MEMINFO.format(free=free, reserved=reserved)
    nodes = {NODE.format(0): f"{free - 20}\n", NODE.format(1): "20\n"}
    return trees.write(root, {"proc/meminfo": meminfo, "proc/mounts": mounts, **nodes})


@pytest.mark.parametrize(
    ("memory_mib", "free", "reserved", "fits"),
    [(256, 128, 0, True), (257, 140, 0, False), (258, 128, 0, False), (256, 130, 3, False)],
)
def test_they_are_used_where_enough_are_free_and_claimed_by_nobody(
    memory_mib: int, free: int, reserved: int, *, fits: bool, tmp_path: Path
) -> None:
    assert hugepages.fit(memory_mib, root=host(tmp_path, free, reserved)) == fits


def test_pages_of_another_node_are_of_no_use(tmp_path: Path) -> None:
    root = host(tmp_path, 140)
    assert hugepages.fit(256, root=root)
    assert not hugepages.fit(256, nodes=(0,), root=root)
    assert hugepages.fit(240, nodes=(0,), root=root)
    assert hugepages.fit(256, nodes=(0, 1), root=root)
    assert not hugepages.fit(64, nodes=(1,), root=root)


def test_a_reserved_page_may_be_taken_from_any_node(tmp_path: Path) -> None:
    assert not hugepages.fit(240, nodes=(0,), root=host(tmp_path, 140, reserved=1))


def test_libvirt_wants_a_hugetlbfs(tmp_path: Path) -> None:
    assert not hugepages.fit(256, root=host(tmp_path, 140, mounts=""))


def test_a_kernel_without_them_has_none(tmp_path: Path) -> None:
    files = {"proc/meminfo": "MemTotal: 1 kB\n", "proc/mounts": MOUNTS}
    assert not hugepages.fit(256, root=trees.write(tmp_path, files))
    assert not hugepages.fit(256, root=tmp_path / "nowhere")
