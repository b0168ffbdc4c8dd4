"""Rank what failed as worse than everything that was measured.

A start that never came is no fast one: leaving it out would make a sandbox better by its failures.
So up to the share that ``claims.toml`` allows, a failure takes part with a value far beyond all
others, on the bad side. Medians and ranks need no more of it than that (Lachin, Control. Clin.
Trials 20 (1999) 408, worst-rank scores).
"""

import pandas as pd

from benchmarks.results.records import Status, Unit
from reports.model.frame import beside, by_block, every

_HIGHER_IS_BETTER = frozenset({Unit.PER_SECOND, Unit.BITS_PER_SECOND})
_FAR = 10.0
"""How far beyond: finite, since intervals average the logarithms of values."""
_BAD = [status.value for status in Status if status.failure]


def failed(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the rows that were tried for in vain."""
    return rows[rows["status"].isin(_BAD)]


def ranked(rows: pd.DataFrame, unit: Unit) -> pd.DataFrame:
    """Return rows with every failure as a value worse than all others."""
    good, bad = every(rows)["value"], rows["status"].isin(_BAD)
    if not bad.any() or good.empty:
        return rows
    worst = good.min() / _FAR if unit in _HIGHER_IS_BETTER else good.max() * _FAR
    return rows.assign(
        value=rows["value"].where(~bad, worst),
        status=rows["status"].where(~bad, Status.OK.value),
    )


def side_by_side(above: pd.DataFrame, below: pd.DataFrame, unit: Unit) -> pd.DataFrame:
    """Return paired values by block as ``frame.beside`` does, failures ranked worst.

    A block in which both sides gave nothing but failures tells nothing and is left out.
    """
    both = beside(ranked(above, unit), ranked(below, unit))
    known = by_block(above).index.union(by_block(below).index)
    return both[both.index.isin(known)]
