"""Mappings of ids between a container and its host: their rules, and what they say.

Source: user_namespaces(7).
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from runtime.errors import SpecError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from runtime.spec.filesystem import IdMapping

#: The kernel keeps 2^32 - 1 for "no id" (user_namespaces(7)).
LAST_ID = 2**32 - 2
#: Most lines of /proc/PID/uid_map: UID_GID_MAP_MAX_EXTENTS since Linux 4.15.
MOST_EXTENTS = 340


def check(path: str, mappings: Sequence[IdMapping]) -> None:
    """Refuse what the kernel would refuse with a bare EINVAL.

    Args:
        path: JSON path of the list.
        mappings: at most 340, overlapping neither inside nor on the host.

    Raises:
        SpecError: naming the entry.
    """
    if len(mappings) > MOST_EXTENTS:
        raise SpecError(path, f"has {len(mappings)} entries; the kernel takes {MOST_EXTENTS}")
    for number, entry in enumerate(mappings):
        where = f"{path}[{number}]"
        if entry.size < 1:
            raise SpecError(f"{where}.size", f"{entry.size} must be above zero")
        for key, first in (("containerID", entry.container_id), ("hostID", entry.host_id)):
            last = first + entry.size - 1
            if first < 0 or last > LAST_ID:
                raise SpecError(
                    f"{where}.{key}", f"ids {first} to {last} are outside 0 to {LAST_ID}"
                )
    for key, side in (
        ("containerID", [(entry.container_id, entry.size) for entry in mappings]),
        ("hostID", [(entry.host_id, entry.size) for entry in mappings]),
    ):
        _check_overlap(path, key, side)


def _check_overlap(path: str, key: str, ranges: list[tuple[int, int]]) -> None:
    order = sorted(range(len(ranges)), key=lambda number: ranges[number])
    for before, after in pairwise(order):
        first, size = ranges[before]
        if ranges[after][0] < first + size:
            one, other = sorted((before, after))
            raise SpecError(
                f"{path}[{other}].{key}", f"overlaps with entry {one}; an id can be mapped once"
            )


def to_host(mappings: Iterable[IdMapping], container_id: int) -> int | None:
    """Id on the host of an id inside, None where it is not mapped."""
    for entry in mappings:
        if 0 <= container_id - entry.container_id < entry.size:
            return entry.host_id + container_id - entry.container_id
    return None


def lines(mappings: Iterable[IdMapping]) -> str:
    """The text for /proc/PID/uid_map or gid_map."""
    return "".join(f"{m.container_id} {m.host_id} {m.size}\n" for m in mappings)
