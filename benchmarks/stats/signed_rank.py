"""Hodges and Lehmann's estimate, with the exact interval and test of the signed rank.

For values whose distribution is symmetric about its middle, as the logarithm of the ratio of two
sandboxes in one block is where both vary alike: the median of the means of all pairs of values
(Walsh averages), and an interval between two of those. Where dependence is found the interval's
ends move away from the estimate, as far as the larger of two accounts asks (see ``dependence``).

Sources: Hodges and Lehmann, Ann. Math. Stat. 34 (1963) 598; Hollander, Wolfe and Chicken,
Nonparametric Statistical Methods, 3rd ed., 3.1 to 3.3; Wilcoxon, Biom. Bull. 1 (1945) 80.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from benchmarks.stats.dependence import batches
from benchmarks.stats.order_statistics import widening

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from benchmarks.stats.dependence import Dependence

MOST = 150
"""Most values that it is used for; beyond, an interval of the median is narrow enough."""

_SPARE = 2
"""Batches that pass the test of independence are made larger by this, where enough are left."""
_FEWEST_BATCHES = 6


def interval(
    values: NDArray[np.float64], confidence: float, found: Dependence
) -> tuple[float, float, float]:
    """Return lower end, estimate and upper end.

    Args:
        values: Finite, in the order they were taken, enough for the confidence.
        confidence: The confidence asked for.
        found: How they depend on each other.
    """
    low, estimate, high = _independent(values, confidence)
    if found.inflation == 1.0:
        return low, estimate, high
    widen = widening(len(values), found.inflation, confidence)
    below, above = (estimate - low) * widen, (high - estimate) * widen
    if found.batch > 1:
        size = min(_SPARE * found.batch, max(found.batch, len(values) // _FEWEST_BATCHES))
        lower, middle, upper = _independent(batches(values, size), confidence)
        below, above = max(below, middle - lower), max(above, upper - middle)
    return estimate - below, estimate, estimate + above


def p_positive(values: NDArray[np.float64]) -> float:
    """Return the one-sided p-value of "the middle is above 0", of independent values.

    Equal sizes share their ranks; a zero counts against it.
    """
    import numpy as np
    from scipy.special import ndtr
    from scipy.stats import rankdata

    n = len(values)
    above = float(rankdata(np.abs(values))[values > 0].sum())
    if n <= MOST:
        reached = int(np.floor(above))  # downwards: never rarer than it is
        return float(_tails(n)[n * (n + 1) // 2 - reached])
    variance = n * (n + 1) * (2 * n + 1) / 24
    return float(ndtr(-(above - 0.5 - n * (n + 1) / 4) / variance**0.5))


def _independent(values: NDArray[np.float64], confidence: float) -> tuple[float, float, float]:
    import numpy as np

    n = len(values)
    one, other = np.triu_indices(n)
    walsh = np.sort((values[one] + values[other]) / 2)
    outside = np.searchsorted(_tails(n), (1 - confidence) / 2 + 1e-12, side="right")
    place = max(int(outside), 1) - 1
    return float(walsh[place]), float(np.median(walsh)), float(walsh[-1 - place])


@cache
def _tails(n: int) -> NDArray[np.float64]:
    """Return the probability that the signed rank is at most 0, 1, 2 … of independent values."""
    import numpy as np

    ways = np.zeros(n * (n + 1) // 2 + 1)
    ways[0] = 1.0
    for rank in range(1, n + 1):
        ways[rank:] = (ways[rank:] + ways[:-rank]) / 2
        ways[:rank] /= 2
    return np.cumsum(ways)
