"""update: other limits for a container that is there."""

from __future__ import annotations

import re
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runtime.commandline.options import UsageError
from runtime.errors import SetupError, StateError
from runtime.oci import bundle as bundles
from runtime.oci import resources
from runtime.oci.document import decode
from runtime.oci.node import Aside, Node

if TYPE_CHECKING:
    from runtime.commandline.entry import Entry
    from runtime.commandline.options import Options

_SUFFIXES = {"": 1, "b": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}
_BYTES = re.compile(r"(-?\d+)([bkmgt]?)(?:i?b)?", re.IGNORECASE)
#: Option to its place in OCI's object; bytes, numbers, or text.
_PLACES: dict[str, tuple[str, str, str]] = {
    "memory": ("memory", "limit", "bytes"),
    "memory-reservation": ("memory", "reservation", "bytes"),
    "memory-swap": ("memory", "swap", "bytes"),
    "kernel-memory": ("memory", "kernel", "bytes"),
    "kernel-memory-tcp": ("memory", "kernelTCP", "bytes"),
    "cpu-share": ("cpu", "shares", "number"),
    "cpu-quota": ("cpu", "quota", "number"),
    "cpu-period": ("cpu", "period", "number"),
    "cpu-burst": ("cpu", "burst", "number"),
    "cpu-idle": ("cpu", "idle", "number"),
    "cpu-rt-period": ("cpu", "realtimePeriod", "number"),
    "cpu-rt-runtime": ("cpu", "realtimeRuntime", "number"),
    "cpuset-cpus": ("cpu", "cpus", "text"),
    "cpuset-mems": ("cpu", "mems", "text"),
    "pids-limit": ("pids", "limit", "number"),
    "blkio-weight": ("blockIO", "weight", "number"),
}
_REFUSED = ("l3-cache-schema", "mem-bw-schema")


def update(entry: Entry, options: Options) -> None:
    """Write the limits that are given; others stay.

    Raises:
        UsageError: a value cannot be read. SpecError: likewise, in a file.
        StateError: it has stopped, or has no control group.
        SetupError: the kernel refused.
    """
    if not entry.alive:
        raise StateError(f"container not running: {entry.record.id!r} is stopped")
    group = entry.group()
    if group is None:
        raise StateError(f"{entry.record.id!r} has no control group to limit")
    found = resources.read(Node("resources", _wanted(options), Aside()))
    try:
        group.limit(asdict(found))
    except OSError as error:
        reason = error.strerror or str(error)
        raise SetupError(f"update {entry.record.id}", reason, error.errno or 0) from error
    entry.remember(group)
    entry.write()


def _wanted(options: Options) -> dict[str, Any]:
    name = options.get("resources")
    if name == "-":
        return decode(sys.stdin.buffer.read())
    if name:
        return decode(bundles.read_text(Path(name)))
    for option in _REFUSED:
        if options.get(option):
            raise UsageError(f"--{option} needs resctrl, which this runtime does not write")
    found: dict[str, Any] = {}
    for option, (section, key, kind) in _PLACES.items():
        text = options.get(option)
        if text is None:
            continue
        value: Any = text
        if kind == "bytes":
            value = _bytes(option, text)
        elif kind == "number":
            value = options.number(option)
        found.setdefault(section, {})[key] = value
    if not found:
        raise UsageError("update needs a limit to write, or --resources with a file")
    return found


def _bytes(option: str, text: str) -> int:
    match = _BYTES.fullmatch(text)
    if not match:
        raise UsageError(f"--{option} {text!r} is no amount of memory such as 200M")
    return int(match[1]) * _SUFFIXES[match[2].lower()]
