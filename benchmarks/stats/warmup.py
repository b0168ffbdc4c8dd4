"""Detect a warm-up: how many of a campaign's first blocks differ from the rest.

A maximally selected rank statistic: the place at which the ranks before and after differ most, in
units of their standard deviation. It counts where so large a difference is rare among random orders
of the same values. Only ranks count, so that one slow start is not taken for a warm-up: a cold
first start cannot be told from an outlier. No value is dropped; a report shows the result.

Sources: Lausen and Schumacher, Biometrics 48 (1992) 73 (maximally selected rank statistics);
Pettitt, J. R. Stat. Soc. C 28 (1979) 126 (the change-point test by ranks, here standardised so
that early changes count as much as late ones).
"""

from benchmarks.stats.estimators import Values

WINDOW = 50
"""First values that are looked at; a change further on is drift and no warm-up."""

_FEWEST = 8
_ALPHA = 0.05
_ORDERS = 1999
_FEWEST_ORDERS = 199
_MOST_RANKS = 1_000_000
"""Ranks in all orders together, which is what memory holds; long series are tried in fewer."""


def warm_up(values: Values, *, seed: int = 0) -> int:
    """Return how many of the first values belong to a warm-up, 0 where there is none.

    A warm-up ends in the first half of the first ``WINDOW`` values. With fewer than 8 values no
    change could be told from chance.

    Args:
        values: One metric of one sandbox, in the order of the blocks.
        seed: Seed of the random orders.
    """
    first = values[:WINDOW]
    if len(first) < _FEWEST:
        return 0
    end, p = change_point(first, seed=seed)
    return end if p <= _ALPHA and end <= len(first) // 2 else 0


def change_point(values: Values, *, seed: int = 0) -> tuple[int, float]:
    """Return the place before which values differ most from those from it on, and how rare that is.

    Args:
        values: At least two, in the order in which they were measured.
        seed: Seed of the random orders.

    Returns:
        How many values stand before the change, and its p-value over random orders.
    """
    import numpy as np
    from scipy.stats import rankdata

    ranks = rankdata(np.asarray(values, dtype=float))
    n = len(ranks)
    rng = np.random.default_rng(seed)
    orders = max(_FEWEST_ORDERS, min(_ORDERS, _MOST_RANKS // n))
    tried = np.vstack([ranks, rng.permuted(np.tile(ranks, (orders, 1)), axis=1)])
    before = np.arange(1, n)
    excess = np.abs(np.cumsum(tried, axis=1)[:, :-1] - before * (n + 1) / 2)
    standardised = excess / np.sqrt(before * (n - before))
    largest = standardised.max(axis=1)
    end = int(np.argmax(standardised[0])) + 1
    return end, float(np.mean(largest >= largest[0] - 1e-9))
