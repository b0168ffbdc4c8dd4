"""Interval of a median from order statistics, for values that may be autocorrelated.

For independent values the k-th smallest and the k-th largest cover the median with probability
1 - 2 P(Binomial(n, 1/2) < k), whatever their distribution. Between the two neighbouring k the ends
are interpolated, so that the confidence is the one asked for and not the next higher one that
exists (at n = 10 that would be 97.9 % instead of 95 %). Where the values are found to be
autocorrelated (``dependence``), the ends move outwards: the ranks' distance from the middle grows
by the square root of the inflation of the variance, and by what Student's t asks more of so many
fewer independent values. Where that leaves the range of the values, the outermost ones are moved
away from the median in proportion. The interval is as wide at least as that of the medians of
batches that are as good as independent.

Sources: Conover, Practical Nonparametric Statistics, 3rd ed., 3.2; Hettmansperger and Sheather,
Stat. Probab. Lett. 4 (1986) 75 (interpolation); Zwiers and von Storch, J. Climate 8 (1995) 336
(with few values the t of the equivalent sample size still promises too much).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.stats.dependence import NONE, batches

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from benchmarks.stats.dependence import Dependence

_LEAST_EQUIVALENT = 4.0  # with fewer, t makes intervals wider without better coverage


def order_interval(
    values: Sequence[float] | NDArray[np.float64],
    confidence: float,
    fewest: int,
    found: Dependence,
) -> tuple[float | None, float | None, float | None]:
    """Return lower end, median and upper end; the ends are None for fewer than ``fewest`` values.

    Args:
        values: The values in the order they were taken; infinite ones are allowed.
        confidence: The confidence asked for.
        fewest: The smallest n at which smallest and largest value reach that confidence.
        found: How they depend on each other.
    """
    import numpy as np

    ordered = np.sort(np.asarray(values, dtype=float))
    n = len(ordered)
    if n == 0:
        return None, None, None
    estimate = float(np.median(ordered))
    if n < fewest:
        return None, estimate, None
    middle = (n + 1) / 2
    distance = (middle - _rank(n, confidence)) * widening(n, found.inflation, confidence)
    rank = max(middle - distance, 1.0)
    low, high = (_at_rank(ordered, r) for r in (rank, n + 1 - rank))
    beyond = distance / (middle - 1)
    if beyond > 1:
        low, high = (estimate + (end - estimate) * beyond for end in (low, high))
    if found.batch > 1:  # the batches' medians are values of their own, and independent
        size = min(2 * found.batch, max(found.batch, n // fewest))
        of_batches = batches(np.asarray(values, dtype=float), size, np.median)
        lower, centre, upper = order_interval(of_batches, confidence, fewest, NONE)
        if lower is not None and centre is not None and upper is not None:
            low = min(low, estimate - (centre - lower))
            high = max(high, estimate + (upper - centre))
    return low, estimate, high


def widening(n: int, inflation: float, confidence: float) -> float:
    """Return by how much an interval of so many values must be wider than for independent ones.

    Args:
        n: How many values.
        inflation: By how much dependence inflates the variance of their middle.
        confidence: The confidence asked for.
    """
    from scipy.special import stdtrit

    if inflation == 1.0 or n < _LEAST_EQUIVALENT:
        return 1.0
    end = (1 + confidence) / 2
    equivalent = max(n / inflation, _LEAST_EQUIVALENT)
    return float(inflation**0.5 * stdtrit(equivalent - 1, end) / stdtrit(n - 1.0, end))


def _rank(n: int, confidence: float) -> float:
    """Return the fractional rank of the lower end for independent values, from 1."""
    import numpy as np
    from scipy.special import bdtr  # half a second to import

    ranks = np.arange(1, n // 2 + 1)
    covered = 1 - 2 * bdtr(ranks - 1.0, n, 0.5)
    k = int(ranks[covered >= confidence][-1])
    if k == n // 2:
        return float(k)
    share = (covered[k - 1] - confidence) / (covered[k - 1] - covered[k])
    return float(k + (n - k) * share / (k + (n - 2 * k) * share))


def _at_rank(ordered: NDArray[np.float64], rank: float) -> float:
    below, share = int(rank), rank - int(rank)
    low = float(ordered[below - 1])
    high = float(ordered[below]) if share else low
    if low == high:  # an infinite or equal neighbour adds nothing, not even a rounding error
        return low
    return (1 - share) * low + share * high
