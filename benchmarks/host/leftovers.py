"""What an engine still has on the host between two visits, when no instance is running.

Everything the runtime makes bears its engine's name: instances have their control groups below the
engine's, and mounts carry the name as their source. The engine itself lives as long as a campaign.
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

SPAWNER_GROUP = "spawner"
"""Group of the spawner itself, which stays."""

_MOUNTS = Path("/proc/self/mountinfo")


def traces(engine: str, groups: Iterable[Path]) -> list[str]:
    """Name, in words, what is left of instances.

    Args:
        engine: The engine's name.
        groups: The engine's control groups, one a controller.

    Returns:
        Control groups of instances, and mounts of the engine in this process's own mount
        namespace, where it should make none at all. Sorted.
    """
    found = []
    for folder in groups:
        with contextlib.suppress(FileNotFoundError):
            found += [
                f"control group {group}"
                for group in folder.iterdir()
                if group.is_dir() and group.name != SPAWNER_GROUP
            ]
    for line in _MOUNTS.read_text(encoding="utf-8").splitlines():
        fields, _, tail = line.partition(" - ")
        if tail.split(" ")[1] == engine:
            found.append(f"mount {fields.split(' ')[4]}")
    return sorted(found)
