"""The one place where samples become a pandas table, and where samples are paired."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from benchmarks.records import Status
from reports.errors import EmptyRunError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.records import Sample
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
    return pd.DataFrame(
        {
            "run": _words([sample.run for sample in samples]),
            "block": [sample.block for sample in samples],
            "sandbox": _words([sample.sandbox for sample in samples]),
            "workload": _words([sample.workload for sample in samples]),
            "metric": _words([sample.metric for sample in samples]),
            "unit": _words([sample.unit.value for sample in samples]),
            "status": _words([sample.status.value for sample in samples]),
            "value": np.array([sample.value for sample in samples], dtype=float),
            "text": _words([sample.text or "" for sample in samples]),
            "detail": _words([sample.detail or "" for sample in samples]),
            "started_at": [sample.started_at for sample in samples],
            "flags": _words([" ".join(sample.flags) for sample in samples]),
            "position": _words([sample.dimensions.get("position", "") for sample in samples]),
            "parameters": _words(_all_parameters(samples)),
        },
        columns=list(COLUMNS),
    )


def _words(texts: Sequence[str]) -> pd.Categorical[str]:
    """Return a column of texts that are mostly the same few: a number a row instead of a text."""
    places = {text: place for place, text in enumerate(dict.fromkeys(texts))}
    codes = np.fromiter(map(places.__getitem__, texts), dtype=np.int32, count=len(texts))
    return pd.Categorical.from_codes(codes, categories=pd.Index(list(places)))


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
        for key, rows in table.groupby(list(columns), sort=False, observed=True)
    }


def _all_parameters(samples: Sequence[Sample]) -> list[str]:
    """Return the parameters of every sample; those that share their dimensions share the text."""
    known: dict[int, str] = {}  # by identity, which holds while the samples live
    found = []
    for sample in samples:
        place = id(sample.dimensions)
        text = known.get(place)
        if text is None:
            text = known[place] = _parameters(sample.dimensions)
        found.append(text)
    return found


def _parameters(dimensions: dict[str, str]) -> str:
    if not dimensions.keys() - ORDER_DIMENSIONS:
        return "{}"
    kept = {key: value for key, value in dimensions.items() if key not in ORDER_DIMENSIONS}
    return json.dumps(kept, sort_keys=True)
