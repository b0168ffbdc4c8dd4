"""Workloads as data: a TOML file for each, with its command and how its output is read."""

import hashlib
import inspect
import re
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any

import msgspec

from benchmarks import nearest
from benchmarks.errors import WorkloadError
from benchmarks.workloads import toml_places
from benchmarks.workloads.definition import Definition, Neighbour, Reading, Server
from benchmarks.workloads.model import Workload

__all__ = ["Neighbour", "Reading", "Server", "Workload", "digests", "load", "names", "schema"]

_FOLDER = Path(__file__).parent
_KEYS = tuple(field.encode_name for field in msgspec.structs.fields(Workload))


def names() -> list[str]:
    """Return the names of the workloads that come with tare."""
    return sorted(path.stem for path in _FOLDER.glob("*.toml"))


def schema() -> dict[str, Any]:
    """Return the JSON Schema of a workload file."""
    schema = msgspec.json.schema(Workload)
    schema["$defs"]["Workload"]["description"] = inspect.getdoc(Definition)
    return schema


def load(name_or_path: str, taken: Collection[str] = ()) -> Workload:
    """Load a workload by name, or from a TOML file.

    Args:
        name_or_path: Its name, or the path of its file.
        taken: Names that it may not have, because tare measures something else under them.

    Raises:
        WorkloadError: There is none, or its file is wrong; the message names the file, the line
            and the key.
    """
    own_file = name_or_path.endswith(".toml")
    path = Path(name_or_path) if own_file else _FOLDER / f"{name_or_path}.toml"
    if not own_file and name_or_path not in names():
        hint = nearest.hint(name_or_path, [*names(), *taken], "workloads")
        raise WorkloadError(f"there is no workload {name_or_path!r}; {hint}")
    text, data = toml_places.read(path, "workload", WorkloadError)
    workload = _parse(path, text, data)
    if workload.name in taken:
        place = toml_places.of_key(path, text, "name")
        raise WorkloadError(
            f"{place}: name: {workload.name!r} is measured by tare itself; choose another"
        )
    return workload


def digests(asked: Iterable[str]) -> dict[str, str]:
    """Return what tells definitions apart, by name; nothing for what is no workload's file."""
    files = [load(one) for one in asked if one.endswith(".toml") or one in names()]
    return {
        one.name: hashlib.sha256(msgspec.json.encode(one, order="sorted")).hexdigest()
        for one in files
    }


def _parse(path: Path, text: str, data: dict[str, Any]) -> Workload:
    if "sandboxes" in data and "command" not in data:
        raise WorkloadError(f"{path} is a campaign, no workload; `tare run {path}` measures it")
    for key in data:
        if key not in _KEYS:
            hint = nearest.hint(key, _KEYS)
            place = toml_places.of_key(path, text, key)
            raise WorkloadError(f"{place}: there is no key {key!r}; {hint}")
    try:
        return msgspec.convert(data, Workload)
    except msgspec.ValidationError as error:
        reason = toml_places.plain(str(error))
        raise WorkloadError(
            f"{toml_places.of_key(path, text, re.split(r'\W', reason)[0])}: {reason}"
        ) from error
