"""update: other limits for a container that is there."""

from __future__ import annotations

import re
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runtime.cli.options import UsageError
from runtime.errors import SetupError, StateError
from runtime.oci import bundle as bundles
from runtime.oci import parts
from runtime.oci.document import decode
from runtime.spec.devices import with_default_devices

if TYPE_CHECKING:
    from collections.abc import Callable

    from runtime.cli.entry import Entry
    from runtime.cli.options import Options

_SUFFIXES = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}
_BYTES = re.compile(r"([0-9]{1,18})(?:([kmgt])i?)?b?", re.IGNORECASE | re.ASCII)
_UNLIMITED = -1
#: Option to its place in OCI's object, and what it holds.
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


def update(entry: Entry, options: Options, warn: Callable[[str], None]) -> None:
    """Write the limits that are given; others stay.

    Args:
        entry: the container.
        options: of the command line.
        warn: is told what has no effect.

    Raises:
        UsageError: a value cannot be read. SpecError: likewise, in a file.
        StateError: it has stopped, or has no control group.
        SetupError: the kernel refused.
    """
    wanted = _wanted(options)
    if not entry.alive:
        raise StateError(f"container not running: {entry.record.id} is {entry.status()}")
    group = entry.group()
    if group is None:
        raise StateError(f"{entry.record.id} has no control group to limit")
    found, notes = parts.parse_resources(_with_limit(wanted, group.paths))
    for note in notes:
        warn(note)
    try:
        group.limit(asdict(replace(found, devices=with_default_devices(found.devices))))
        if entry.record.scope:
            from runtime.cgroups import systemd, units

            systemd.set_properties(entry.record.scope, units.properties(asdict(found)))
    except OSError as error:
        reason = error.strerror or str(error)
        raise SetupError(f"update {entry.record.id}", reason, error.errno or 0) from error
    finally:
        entry.remember(group)


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
            value = amount(option, text)
        elif kind == "number":
            value = options.number(option)
        found.setdefault(section, {})[key] = value
    if not found:
        raise UsageError("update needs a limit to write, or --resources with a file")
    return found


def amount(option: str, text: str) -> int:
    """Bytes, with a suffix or without; -1 for no limit.

    Raises:
        UsageError: it is none.
    """
    if text == str(_UNLIMITED):
        return _UNLIMITED
    match = _BYTES.fullmatch(text)
    value = int(match[1]) * _SUFFIXES[(match[2] or "").lower()] if match else 1 << 63
    if value >= 1 << 63:
        raise UsageError(f"--{option} {text[:40]!r} is no amount of memory such as 200M")
    return value


def _with_limit(wanted: dict[str, Any], groups: dict[str, str]) -> dict[str, Any]:
    """With the limit in force, where only the sum of memory and swap is to change."""
    memory = wanted.get("memory")
    if not isinstance(memory, dict) or memory.get("limit") or not memory.get("swap"):
        return wanted
    from runtime.cgroups.usage import statistics

    charged = statistics(groups).memory
    limit = charged.limit_bytes if charged else None
    limited = {**memory, "limit": _UNLIMITED if limit is None else limit}
    return {**wanted, "memory": limited}
