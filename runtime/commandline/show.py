"""state, list, ps, events: what is to be seen of containers."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runtime import accounting, usage
from runtime.commandline.entry import Entry
from runtime.commandline.options import UsageError
from runtime.errors import StateError

if TYPE_CHECKING:
    from runtime.commandline.options import Options

_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h)")
_UNITS_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_COLUMNS = ("ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER")


def state(entry: Entry) -> dict[str, Any]:
    """The object that `state` prints; pid 0 where no process is left."""
    found = entry.record
    status = entry.status()
    shown: dict[str, Any] = {
        "ociVersion": found.oci_version,
        "id": found.id,
        "pid": 0 if status == "stopped" else found.pid,
        "status": status,
        "bundle": found.bundle,
        "rootfs": found.rootfs,
        "created": found.created,
        "owner": found.owner,
    }
    if found.annotations:
        shown["annotations"] = dict(found.annotations)
    return shown


def print_list(root: Path, options: Options) -> None:
    """Every container, as a table, as JSON, or as names alone."""
    found = [state(entry) for entry in Entry.all(root)]
    if options.has("quiet"):
        for each in found:
            print(each["id"])
        return
    if _is_json(options):
        print(json.dumps(found))
        return
    keys = [column.lower() for column in _COLUMNS]
    rows = [list(_COLUMNS), *([str(each[key]) for key in keys] for each in found)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_COLUMNS))]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        print("  ".join(cells).rstrip())


def print_processes(entry: Entry, options: Options, more: list[str]) -> None:
    """The processes of a container by the host's ids."""
    pids: list[int] = []
    if entry.record.cgroups:
        paths = {name: Path(path) for name, path in entry.record.cgroups.items()}
        pids = usage.group_pids(paths)
    elif entry.alive:
        pids = usage.namespace_pids(entry.record.pid)
    if _is_json(options):
        print(json.dumps(pids))
        return
    table = subprocess.run(
        ["ps", *(more or ["-ef"])], capture_output=True, text=True, check=False
    ).stdout.splitlines()
    if not table:
        raise StateError("the program ps printed nothing; install procps, or use --format json")
    column = table[0].split().index("PID")
    print(table[0])
    for line in table[1:]:
        fields = line.split(None, column + 1)
        if len(fields) > column and fields[column].isdigit() and int(fields[column]) in pids:
            print(line)


def _is_json(options: Options) -> bool:
    wanted = options.get("format") or "table"
    if wanted not in ("table", "json"):
        raise UsageError(f"--format {wanted!r} is neither table nor json")
    return wanted == "json"


def print_events(entry: Entry, options: Options) -> None:
    """Statistics, once or again and again, and kills for want of memory, one JSON line each."""
    interval_s = _seconds(options.get("interval") or "5s")
    if entry.status() == "stopped":
        raise StateError(f"container not running: {entry.record.id!r} is stopped")
    from runtime.cgroups.oom import oom_kills

    paths = entry.record.cgroups
    kills = oom_kills(paths) or 0
    while True:
        _print_line("stats", entry, statistics(entry))
        if options.has("stats"):
            return
        time.sleep(interval_s)
        if not entry.alive:
            return
        before, kills = kills, oom_kills(paths) or 0
        if kills > before:
            _print_line("oom", entry)


def statistics(entry: Entry) -> dict[str, Any]:
    """What the control group counts, by the names that runc uses where it has one."""
    paths = {name: Path(path) for name, path in entry.record.cgroups.items()}
    return asdict(accounting.statistics(paths))


def _print_line(kind: str, entry: Entry, data: dict[str, Any] | None = None) -> None:
    line: dict[str, Any] = {"type": kind, "id": entry.record.id}
    if data is not None:
        line["data"] = data
    try:
        print(json.dumps(line), flush=True)
    except BrokenPipeError:
        os._exit(0)  # nobody reads any more


def _seconds(text: str) -> float:
    found = _DURATION.findall(text)
    if not found or "".join(number + unit for number, unit in found) != text:
        raise UsageError(f"--interval {text!r} is no duration such as 5s or 500ms")
    return sum(float(number) * _UNITS_S[unit] for number, unit in found)


def print_object(found: Any) -> None:
    """One object as JSON, for people."""
    json.dump(found, sys.stdout, indent=2)
    print()
