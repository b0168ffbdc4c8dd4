"""The exact rank-sum test where values are tied.

Given which values there are, ties included, each way to deal them out to the two sides is equally
likely under the null hypothesis; how many ways give which sum of midranks is counted one value at a
time. So a p-value is exact with ties too, and as small as the data deserve: resampled permutations
can give none below one over their number, which no correction for several metrics survives.

Source: Lehmann, Nonparametrics (1975), 1.4 (midranks); Streitberg and Röhmel, Comput. Stat. Data
Anal. 4 (1986) 223 (the shift algorithm).
"""

from __future__ import annotations

from math import comb
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def exact(base: Sequence[float], new: Sequence[float]) -> float:
    """Return the two-sided exact p-value that two unpaired sets differ in location.

    Args:
        base: Values of one set.
        new: Values of the other.
    """
    import numpy as np
    from scipy.stats import rankdata

    few, many = sorted((list(base), list(new)), key=len)
    # twice a midrank is a whole number
    ranks = np.rint(2 * rankdata([*few, *many])).astype(int)
    size, total = len(few), int(ranks.sum())
    ways = np.zeros((size + 1, total + 1))
    ways[0, 0] = 1.0
    for rank in ranks:
        ways[1:, rank:] += ways[:-1, : total + 1 - rank].copy()
    chance = ways[size] / ways[size].sum()
    seen = int(ranks[:size].sum())
    return float(min(1.0, 2 * min(chance[: seen + 1].sum(), chance[seen:].sum())))


def smallest(base: int, new: int) -> float:
    """Return the smallest two-sided p-value that sets of these sizes can have."""
    return min(1.0, 2 / comb(base + new, base)) if base and new else 1.0
