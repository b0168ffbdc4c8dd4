"""Mappings of ids: what the kernel takes of them."""

from __future__ import annotations

import pytest

from runtime import SpecError
from runtime.spec import IdMapping, id_mappings

LAST = 2**32 - 2


@pytest.mark.parametrize(
    ("entries", "path"),
    [
        ([IdMapping(0, 0, 0)], "uids[0].size"),
        ([IdMapping(0, 0, 2**32)], "uids[0].containerID"),
        ([IdMapping(0, LAST, 2)], "uids[0].hostID"),
        ([IdMapping(-1, 0, 1)], "uids[0].containerID"),
        ([IdMapping(0, 0, 10), IdMapping(9, 20, 1)], "uids[1].containerID"),
        ([IdMapping(9, 20, 1), IdMapping(0, 0, 10)], "uids[1].containerID"),
        ([IdMapping(0, 5, 10), IdMapping(10, 14, 1)], "uids[1].hostID"),
        ([IdMapping(number, number, 1) for number in range(341)], "uids"),
    ],
)
def test_what_the_kernel_would_refuse_is_named(entries: list[IdMapping], path: str) -> None:
    with pytest.raises(SpecError) as caught:
        id_mappings.check("uids", entries)
    assert caught.value.path == path


def test_the_whole_range_and_many_entries_are_right() -> None:
    id_mappings.check("uids", [IdMapping(0, 0, LAST + 1)])
    id_mappings.check("uids", [IdMapping(number, 1000 - number, 1) for number in range(340)])


def test_ids_are_found_on_the_host() -> None:
    entries = [IdMapping(0, 1000, 1), IdMapping(1, 100_000, 10)]
    assert [id_mappings.to_host(entries, number) for number in (0, 1, 10, 11)] == [
        1000, 100_000, 100_009, None,
    ]  # fmt: skip
    assert id_mappings.lines(entries) == "0 1000 1\n1 100000 10\n"
