"""Make samples a pandas table, and pair them: the one place where either happens."""

import json
from collections.abc import Sequence
from functools import partial

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks.results import sample_table
from benchmarks.results.metrics import REPETITION, WARM_UP
from benchmarks.results.records import Status
from benchmarks.results.runfolder import Run
from benchmarks.stats.estimators import Pairs
from reports.errors import EmptyRunError

ORDER_DIMENSIONS = frozenset({"position", REPETITION})
"""Dimensions that say when a sample was taken, not what was measured."""

_WITHIN_BLOCK = ["sandbox", "workload", "metric", "parameters", "block"]
"""Columns that a block's repetitions have in common."""


def tidy(run: Run) -> pd.DataFrame:
    """Return the samples of a run, one a row, in the order they were taken.

    ``value`` is a float, NaN where there is none; ``text``, ``detail``, ``position`` and
    ``repetition`` are empty where there is none; ``flags`` are separated by blanks; ``parameters``
    is a JSON object with sorted keys, ``{}`` for none, so that it can be grouped by.

    Raises:
        EmptyRunError: The run holds no sample of a closed visit.
    """
    samples = sample_table.collect(run.samples)
    if not samples:
        raise EmptyRunError(
            f"{run.path} holds no finished measurement; continue it with --resume, then report"
        )
    kinds, (codes, blocks, started_at, values) = samples.kinds, samples.columns
    words = partial(_words, codes=codes)
    return pd.DataFrame(
        {
            "run": words([kind.run for kind in kinds]),
            "block": blocks,
            "sandbox": words([kind.sandbox for kind in kinds]),
            "workload": words([kind.workload for kind in kinds]),
            "metric": words([kind.metric for kind in kinds]),
            "unit": words([kind.unit.value for kind in kinds]),
            "status": words([kind.status.value for kind in kinds]),
            "value": values,
            "text": words([kind.text or "" for kind in kinds]),
            "detail": words([kind.detail or "" for kind in kinds]),
            "started_at": started_at,
            "flags": words([" ".join(kind.flags) for kind in kinds]),
            "position": words([kind.dimensions.get("position", "") for kind in kinds]),
            "repetition": words([kind.dimensions.get(REPETITION, "") for kind in kinds]),
            "parameters": words([parameters_key(kind.dimensions) for kind in kinds]),
        },
        copy=False,
    )


def _words(texts: Sequence[str], codes: NDArray[np.int32]) -> "pd.Categorical[str]":
    """Return a column of texts: a number a row instead of a text.

    Args:
        texts: The text of each kind of sample.
        codes: The kind of each row.
    """
    places = {text: place for place, text in enumerate(dict.fromkeys(texts))}
    of_kind = np.fromiter(map(places.__getitem__, texts), dtype=np.int32, count=len(texts))
    return pd.Categorical.from_codes(of_kind[codes], categories=pd.Index(list(places)))


def every(table: pd.DataFrame) -> pd.DataFrame:
    """Return the rows that hold a number: those with status ok and a value.

    Repetitions within a block are among them, so nothing may be inferred from these rows as if they
    were independent: see `measured`.
    """
    return table[(table["status"] == Status.OK.value) & table["value"].notna()]


def measured(table: pd.DataFrame) -> pd.DataFrame:
    """Return the rows that hold a number, of a block's repetitions one: their median.

    The first start of a block warms up for those that repeat it and counts only where none does
    (``benchmarks.stats.levels``). The row of a median is the first repetition's. Where nothing is
    repeated, as in runs of before, these are all rows that hold a number.
    """
    rows = every(table)
    again = _repeats(rows)
    if not again.any():
        return rows
    groups = rows.groupby(_WITHIN_BLOCK, sort=False, observed=True).ngroup().to_numpy()
    medians = rows[again].groupby(groups[again])["value"].median()
    repeated = np.isin(groups, medians.index)
    first = again & ~pd.Series(np.where(again, groups, -1), index=rows.index).duplicated()
    reduced = rows[first].assign(value=medians.reindex(groups[first]).to_numpy())
    return pd.concat([rows[~repeated], reduced]).sort_index()


def nested(table: pd.DataFrame) -> list[list[float]]:
    """Return the repetitions of one metric of one sandbox by block, those that have any."""
    rows = every(table)
    again = rows[_repeats(rows)]
    return [values.tolist() for _, values in again.groupby("block")["value"]]


def _repeats(rows: pd.DataFrame) -> NDArray[np.bool_]:
    return np.asarray(~rows["repetition"].isin(["", WARM_UP]))


def select(
    table: pd.DataFrame, sandbox: str, workload: str, metric: str, parameters: str | None = None
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
    both = beside(above, below)
    return list(zip(both["above"].tolist(), both["below"].tolist(), strict=True))


def beside(above: pd.DataFrame, below: pd.DataFrame) -> pd.DataFrame:
    """Return the paired values of two selections as columns of these names, by block."""
    left, right = by_block(above), by_block(below)
    return pd.concat([left, right], axis=1, join="inner", keys=["above", "below"]).sort_index()


def by_block(rows: pd.DataFrame) -> "pd.Series[float]":
    """Return the numbers of a selection by block, of several in one the last."""
    last = measured(rows).drop_duplicates("block", keep="last")
    return last.set_index("block")["value"].sort_index()


def grouped(table: pd.DataFrame, *columns: str) -> dict[tuple[str, ...], pd.DataFrame]:
    """Split a table by columns of text, keeping the order in which the groups first appear."""
    return {
        tuple(str(part) for part in key): rows
        for key, rows in table.groupby(list(columns), sort=False, observed=True)
    }


def parameters_key(dimensions: dict[str, str]) -> str:
    """Return dimensions as they stand in the column ``parameters``."""
    if not dimensions.keys() - ORDER_DIMENSIONS:
        return "{}"
    kept = {key: value for key, value in dimensions.items() if key not in ORDER_DIMENSIONS}
    return json.dumps(kept, sort_keys=True)
