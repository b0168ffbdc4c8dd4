"""state, list, ps: the containers there are, and their processes."""

from __future__ import annotations

import json
import os
import sys

from runtime.cli.entry import Entry
from runtime.cli.options import UsageError
from runtime.errors import StateError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from runtime.cli.options import Options

_COLUMNS = ("ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER")
#: For callers that give us no PATH (podman does so).
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


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
        shown["annotations"] = found.annotations
    return shown


def print_list(root: str, options: Options) -> None:
    """Every container, as a table, as JSON, or as names alone."""
    as_json = _is_json(options)
    if options.has("quiet"):
        for entry in Entry.all(root):
            print(entry.record.id)
        return
    found = [state(entry) for entry in Entry.all(root)]
    if as_json:
        print(json.dumps(found, separators=(",", ":")))
        return
    keys = [column.lower() for column in _COLUMNS]
    rows = [list(_COLUMNS), *([str(each[key]) for key in keys] for each in found)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_COLUMNS))]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        print("  ".join(cells).rstrip())


def print_processes(entry: Entry, options: Options, more: list[str]) -> None:
    """The processes of a container by the host's ids."""
    as_json = _is_json(options)
    pids = _pids(entry)
    if as_json:
        print(json.dumps(pids, separators=(",", ":")))
        return
    lines = _run_ps(more or ["-ef"])
    heads = lines[0].split()
    if "PID" not in heads:
        raise StateError("ps shows no column PID with these options; leave them out")
    column = heads.index("PID")
    print(lines[0])
    for line in lines[1:]:
        fields = line.split(None, column + 1)
        if len(fields) > column and fields[column].isdigit() and int(fields[column]) in pids:
            print(line)


def _pids(entry: Entry) -> list[int]:
    if entry.record.cgroups:
        from runtime.cgroups import files

        return sorted(files.pids(next(iter(entry.record.cgroups.values()))))
    if not entry.alive:
        return []
    if entry.record.shares_pids:
        return [entry.record.pid]
    from runtime.cgroups import usage

    return usage.namespace_pids(entry.record.pid)


def _run_ps(words: list[str]) -> list[str]:
    import subprocess

    env = {"PATH": _PATH, **os.environ}
    try:
        done = subprocess.run(
            ["ps", *words], capture_output=True, encoding="utf-8", errors="surrogateescape",
            check=False, env=env,
        )  # fmt: skip
    except OSError as error:
        raise StateError(
            f"cannot run ps: {error.strerror}; install procps, or use --format json"
        ) from error
    lines = done.stdout.splitlines()
    if done.returncode or not lines:
        said = "; ".join(done.stderr.strip().splitlines()[:1]) or "it printed nothing"
        raise StateError(f"ps {' '.join(words)}: {said}")
    return lines


def _is_json(options: Options) -> bool:
    wanted = options.get("format") or "table"
    if wanted not in ("table", "json"):
        raise UsageError(f"--format {wanted!r} is neither table nor json")
    return wanted == "json"


def print_object(found: Any) -> None:
    """One object as JSON, for people."""
    json.dump(found, sys.stdout, indent=2)
    print()
