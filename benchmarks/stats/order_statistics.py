"""Interval of a median from order statistics, for values that may be autocorrelated.

For independent values the k-th smallest and the k-th largest cover the median with probability
1 - 2 P(Binomial(n, 1/2) < k), whatever their distribution. Between the two neighbouring k the ends
are interpolated, so that the confidence is the one asked for and not the next higher one that
exists (at n = 10 that would be 97.9 % instead of 95 %). Where the values are autocorrelated, the
ends move outwards: the ranks' distance from the middle grows by the square root of the inflation of
the variance, and by what Student's t asks more of so many fewer independent values. Where that
leaves the range of the values, the outermost ones are moved away from the median in proportion.

Sources: Conover, Practical Nonparametric Statistics, 3rd ed., 3.2; Hettmansperger and Sheather,
Stat. Probab. Lett. 4 (1986) 75 (interpolation); Gastwirth and Rubin, J. Am. Stat. Assoc. 66 (1971)
816 (variance of the sign statistic in a first-order autoregressive process); Marriott and Pope,
Biometrika 41 (1954) 390 (bias of the serial correlation); Zwiers and von Storch, J. Climate 8
(1995) 336 (with few values the t of the equivalent sample size still promises too much).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

_MOST_AUTOCORRELATION = 0.9  # beyond it a campaign's few blocks tell nothing
_LAGS = 150  # 0.9**150 is negligible
_LEAST_EQUIVALENT = 4.0  # with fewer, t makes intervals wider without better coverage


def dependence(values: Sequence[float] | NDArray[np.float64]) -> float:
    """Return by how much autocorrelation inflates the variance of the values' median; 1 is none.

    The lag-1 autocorrelation of the values' normal scores (ranks, so that an outlier cannot fake
    or hide it), taken as that of a first-order process. It is corrected for being too small by
    (1 + 4 phi) / n on average, and by 1 / n more, since an underestimate harms more than an
    overestimate of the same size (simulation chose it); one that is still negative is not believed.
    The inflation is that of the count of values above the median, for which lag k contributes
    (2 / pi) arcsin(phi**k).

    Args:
        values: The values in the order they were taken.
    """
    import numpy as np
    from scipy.special import ndtri

    data = np.asarray(values, dtype=float)
    n = len(data)
    if n <= 1:  # one value has no predecessor
        return 1.0
    scores = ndtri(_middle_ranks(data) / n)
    spread = float(scores @ scores)
    if spread == 0.0:
        return 1.0
    raw = float(scores[1:] @ scores[:-1]) / spread
    phi = min(max(raw + (2 + 4 * raw) / n, 0.0), _MOST_AUTOCORRELATION)
    lags = np.arange(1, min(n, _LAGS))
    return float(1 + 2 * np.sum((1 - lags / n) * (2 / np.pi) * np.arcsin(phi**lags)))


def order_interval(
    values: Sequence[float] | NDArray[np.float64], confidence: float, fewest: int
) -> tuple[float | None, float | None, float | None]:
    """Return lower end, median and upper end; the ends are None for fewer than ``fewest`` values.

    Args:
        values: The values in the order they were taken; infinite ones are allowed.
        confidence: The confidence asked for.
        fewest: The smallest n at which smallest and largest value reach that confidence.
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
    distance = (middle - _rank(n, confidence)) * widening(n, dependence(values), confidence)
    rank = max(middle - distance, 1.0)
    low, high = (_at_rank(ordered, r) for r in (rank, n + 1 - rank))
    beyond = distance / (middle - 1)
    if beyond > 1:
        low, high = (estimate + (end - estimate) * beyond for end in (low, high))
    return low, estimate, high


def widening(n: int, inflation: float, confidence: float) -> float:
    """Return by how much an interval of so many values must be wider than for independent ones.

    Args:
        n: How many values.
        inflation: What ``dependence`` says of them.
        confidence: The confidence asked for.
    """
    from scipy.special import stdtrit

    if inflation == 1.0 or n < _LEAST_EQUIVALENT:
        return 1.0
    end = (1 + confidence) / 2
    equivalent = max(n / inflation, _LEAST_EQUIVALENT)
    return float(inflation**0.5 * stdtrit(equivalent - 1, end) / stdtrit(n - 1.0, end))


def _middle_ranks(data: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return each value's rank less one half; equal values share the middle of theirs."""
    import numpy as np

    n = len(data)
    order = np.argsort(data, kind="stable")
    ordered = data[order]
    firsts = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]]))
    counts = np.diff(np.append(firsts, n))
    ranks = np.empty(n)
    ranks[order] = np.repeat(firsts + counts / 2, counts)
    return ranks


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
