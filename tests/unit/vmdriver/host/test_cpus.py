from collections.abc import Callable
from pathlib import Path

import pytest

from tests.unit.vmdriver.host import trees
from vmdriver.host.cpus import cpu_list, kinds, nodes_of, spread


def test_a_list_of_the_kernel_s_is_read() -> None:
    assert cpu_list("0-3,8\n") == [0, 1, 2, 3, 8]
    assert cpu_list("\n") == []


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        (trees.alder_lake, [range(8), range(8, 16)]),
        (trees.big_little, [range(4, 8), range(4)]),
        (trees.two_sockets, [range(16)]),
    ],
)
def test_the_fastest_kind_comes_first(
    host: Callable[[Path], Path], expected: list[range], tmp_path: Path
) -> None:
    everything = frozenset().union(*expected)
    assert kinds(everything, host(tmp_path)) == tuple(map(frozenset, expected))


def test_a_host_that_tells_nothing_has_one_kind(tmp_path: Path) -> None:
    assert kinds(frozenset({0, 1}), tmp_path) == (frozenset({0, 1}),)


def test_of_some_cpus_of_one_kind_there_is_one_kind(tmp_path: Path) -> None:
    assert kinds(frozenset({8, 9}), trees.alder_lake(tmp_path)) == (frozenset({8, 9}),)


def test_vcpus_get_different_cores_before_second_threads(tmp_path: Path) -> None:
    assert spread(frozenset({0, 8, 1, 9}), trees.two_sockets(tmp_path)) == (0, 1, 8, 9)


def test_vcpus_get_fast_cores_before_slow_ones(tmp_path: Path) -> None:
    assert spread(frozenset(range(16)), trees.alder_lake(tmp_path)) == (
        *(0, 2, 4, 6),
        *(1, 3, 5, 7),
        *range(8, 16),
    )
    assert spread(frozenset({0, 3, 5}), trees.big_little(tmp_path / "arm")) == (5, 0, 3)


def test_an_older_kernel_s_name_of_the_threads_is_known(tmp_path: Path) -> None:
    trees.cores(tmp_path, ["0-1", "0-1", "2-3", "2-3"], "thread_siblings_list")
    assert spread(frozenset(range(4)), tmp_path) == (0, 2, 1, 3)


def test_guest_ram_is_bound_to_the_nodes_of_its_cpus(tmp_path: Path) -> None:
    sysfs = trees.two_sockets(tmp_path)
    assert nodes_of(frozenset({8}), sysfs) == (0,)
    assert nodes_of(frozenset({3, 4}), sysfs) == (0, 1)


def test_one_node_leaves_nothing_to_bind_to(tmp_path: Path) -> None:
    trees.write(tmp_path, {"devices/system/node/node0/cpulist": "0-1\n"})
    assert nodes_of(frozenset({0}), tmp_path) == ()
