"""Compare what is exposed with an earlier output: the gate for CI."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from benchmarks.experiments.sweep import totals
from benchmarks.results import metrics
from benchmarks.results.records import Status
from tare.errors import ExitCode

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

type Rows = Iterable[Mapping[str, Any]]
type Known = set[tuple[str, str, str]]

_BAD = frozenset({"shared-live", "open"})
_MOST_NAMED = 40


def read(path: Path) -> Known:
    """Return what an earlier output of ``--json`` says was exposed then.

    Raises:
        click.UsageError: The file cannot be read, or is no such output.
    """
    try:
        rows = json.loads(path.read_bytes())
        return {_key(row) for row in rows if row["verdict"] in _BAD}
    except OSError as error:
        raise click.UsageError(f"cannot read the baseline {path}: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise click.UsageError(f"{path} is not the output of `tare leaks --json`") from error


def judge(rows: Rows, known: Known) -> ExitCode:
    """Name what is new; what failed may hide something and counts as new."""
    failed = [status.value for status in Status if status.failure]
    new: dict[tuple[str, str, str], str] = {}
    for row in rows:
        if row["verdict"] in _BAD or row["status"] in failed:
            key = _key(row)
            if key not in known:
                new.setdefault(key, row["verdict"] or "error")
    for (sandbox, _, probe), word in list(new.items())[:_MOST_NAMED]:
        click.echo(f"new: {sandbox} {probe}: {word}", err=True)
    if len(new) > _MOST_NAMED:
        click.echo(f"new: and {len(new) - _MOST_NAMED} more", err=True)
    return ExitCode.REGRESSION if new else ExitCode.OK


def _key(row: Mapping[str, Any]) -> tuple[str, str, str]:
    probe = row["probe"]
    # Devices come and go with a number of their own; a new loop device is no new leak.
    swept = row["workload"] == metrics.SWEEP
    return row["sandbox"], row["workload"], totals.pattern(probe) if swept else probe
