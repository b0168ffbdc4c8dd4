"""What an engine writes down about itself, so that a later `clean` knows it from others."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from runtime.recovery import processes
from runtime.recovery.processes import boot_id as boot_id  # noqa: PLC0414  # others look here
from runtime.recovery.processes import start_time as start_time  # noqa: PLC0414  # likewise

if TYPE_CHECKING:
    from pathlib import Path

_FILE = "engine.json"
_PART = "engine.json.part"
#: Beside the record while the engine has a network: what makes that is not the spawner's, which
#: hence leaves the record behind when it ends with this still here.
NETWORK = "network"


def write(folder: Path, pid: int, cgroups: dict[str, str]) -> None:
    """Write the record of the engine in `folder`, named like it; replaced in one step.

    Args:
        folder: the engine's directory.
        pid: of its spawner.
        cgroups: controller to its group.

    Raises:
        OSError: the directory cannot be written.
    """
    record = {"engine": folder.name, **processes.identity(pid), "cgroups": cgroups}
    part = folder / _PART
    part.write_text(json.dumps(record))
    part.replace(folder / _FILE)


def read(folder: Path) -> dict[str, Any] | None:
    """The record, its `cgroups` always a mapping; None where there is none that can be used."""
    try:
        record = json.loads((folder / _FILE).read_text())
    except (OSError, ValueError):
        return None
    if not isinstance(record, dict) or not isinstance(record.get("pid"), int):
        return None
    if not isinstance(record.get("cgroups"), dict):
        record["cgroups"] = {}
    return record


def remove(folder: Path) -> None:
    """Remove it, half-written ones too."""
    for name in (_FILE, _PART, NETWORK):
        (folder / name).unlink(missing_ok=True)


def note_network(folder: Path) -> None:
    """Note that the engine is about to make a network."""
    (folder / NETWORK).touch()


def forget_network(folder: Path) -> None:
    """Note that nothing is left of it."""
    (folder / NETWORK).unlink(missing_ok=True)


def has_network(folder: Path) -> bool:
    """Whether something of a network may be left."""
    return (folder / NETWORK).exists()


def spawner_lives(record: dict[str, Any]) -> bool:
    """Whether its spawner may run: the same pid, start and boot, or one we cannot judge from here.

    See `runtime.recovery.processes.fate`.
    """
    return processes.fate(record) != "ended"


def elsewhere(record: dict[str, Any]) -> bool:
    """Whether it is of another namespace, so that nobody here can tell if its spawner runs."""
    return processes.fate(record) == "elsewhere"
