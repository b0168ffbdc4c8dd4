"""The one place where samples become a pandas table, and where samples are paired."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pandas as pd

from benchmarks.records import Status
from reports.errors import EmptyRunError

if TYPE_CHECKING:
    from benchmarks.runfolder import Run
    from benchmarks.statistics import Pairs

ORDER_DIMENSIONS = frozenset({"position"})
"""Dimensions that say when a sample was taken, not what was measured."""

COLUMNS = (
    "run",
    "block",
    "sandbox",
    "workload",
    "metric",
    "unit",
    "status",
    "value",
    "text",
    "detail",
    "started_at",
    "flags",
    "position",
    "parameters",
)


def tidy(run: Run) -> pd.DataFrame:
    """Return the samples of a run, one a row, in the order they were taken.

    ``value`` is a float, NaN where there is none; ``text``, ``detail`` and ``position`` are empty
    where there is none; ``flags`` are separated by blanks; ``parameters`` is a JSON object with
    sorted keys, ``{}`` for none, so that it can be grouped by.

    Raises:
        EmptyRunError: The run holds no sample of a closed visit.
    """
    samples = run.samples
    if not samples:
        raise EmptyRunError(
            f"{run.path} holds no finished measurement; continue it with --resume, then report",
        )
    table = pd.DataFrame(
        {
            "run": [sample.run for sample in samples],
            "block": [sample.block for sample in samples],
            "sandbox": [sample.sandbox for sample in samples],
            "workload": [sample.workload for sample in samples],
            "metric": [sample.metric for sample in samples],
            "unit": [sample.unit.value for sample in samples],
            "status": [sample.status.value for sample in samples],
            "value": [sample.value for sample in samples],
            "text": [sample.text or "" for sample in samples],
            "detail": [sample.detail or "" for sample in samples],
            "started_at": [sample.started_at for sample in samples],
            "flags": [" ".join(sample.flags) for sample in samples],
            "position": [sample.dimensions.get("position", "") for sample in samples],
            "parameters": [_parameters(sample.dimensions) for sample in samples],
        },
        columns=list(COLUMNS),
    )
    table["value"] = pd.to_numeric(table["value"])
    return table


def measured(table: pd.DataFrame) -> pd.DataFrame:
    """Return the rows that hold a number: those with status ok and a value."""
    return table[(table["status"] == Status.OK.value) & table["value"].notna()]


def select(
    table: pd.DataFrame,
    sandbox: str,
    workload: str,
    metric: str,
    parameters: str | None = None,
) -> pd.DataFrame:
    """Return the rows of one metric in one sandbox, failures included."""
    chosen = (
        (table["sandbox"] == sandbox)
        & (table["workload"] == workload)
        & (table["metric"] == metric)
    )
    if parameters is not None:
        chosen &= table["parameters"] == parameters
    return table[chosen]


def paired(above: pd.DataFrame, below: pd.DataFrame) -> Pairs:
    """Pair two selections by block, leaving out blocks where either has no number.

    Where a block holds several values of one side (it was measured twice), the last one counts.
    """
    left = measured(above).drop_duplicates("block", keep="last").set_index("block")["value"]
    right = measured(below).drop_duplicates("block", keep="last").set_index("block")["value"]
    both = pd.concat([left, right], axis=1, join="inner", keys=["above", "below"]).sort_index()
    return list(zip(both["above"].tolist(), both["below"].tolist(), strict=True))


def grouped(table: pd.DataFrame, *columns: str) -> dict[tuple[str, ...], pd.DataFrame]:
    """Split a table by columns of text, keeping the order in which the groups first appear."""
    return {
        tuple(str(part) for part in key): rows
        for key, rows in table.groupby(list(columns), sort=False)
    }


def _parameters(dimensions: dict[str, str]) -> str:
    kept = {key: value for key, value in dimensions.items() if key not in ORDER_DIMENSIONS}
    return json.dumps(kept, sort_keys=True) if kept else "{}"
