"""Estimators, intervals and tests, for the stopping rule of a campaign and for the reports.

Everything is a pure function over plain sequences; a function that resamples takes a seed. Three
choices run through the module:

* The **median** stands for a set of samples, because start times have long right tails.
* Its interval interpolates between **order statistics**, so that it has its nominal coverage for
  every distribution, and it does *not exist* when n is too small (below 6 for 95 %). Then the ends
  are None; no method could honestly give them. Where a test finds that successive values depend on
  each other it is widened, and says so where that may not suffice
  (``benchmarks.stats.dependence``).
* The effect between two sandboxes is the **middle of the ratios of paired blocks** (Hodges and
  Lehmann), with the exact signed-rank interval and test. A disturbance of a block affects both of
  its values and not their ratio; a ratio of the two medians keeps it (docs/statistics.md shows
  both). n blocks can never argue for less than 2**-n.

``python -m benchmarks.simulation`` simulates how well each keeps its promise.

Sources: ``benchmarks.stats.order_statistics`` and ``benchmarks.stats.signed_rank`` for the
intervals; Efron and Tibshirani, An Introduction to the Bootstrap,
chapter 13; Schuirmann, J. Pharmacokinet. Biopharm. 15 (1987) 657 (two one-sided tests); Holm,
Scand. J. Stat. 6 (1979) 65.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from benchmarks.stats import rank_sum, signed_rank
from benchmarks.stats.dependence import Dependence, assess, dependence
from benchmarks.stats.order_statistics import order_interval, widening

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

type Values = Sequence[float] | NDArray[np.float64]
"""Values of one sandbox, in the order they were taken."""

type Pairs = Sequence[tuple[float, float]] | NDArray[np.float64]
"""Values of two sandboxes in the same block, (numerator, denominator), in the order of blocks."""

CONFIDENCE = 0.95
"""Confidence of every interval that is shown, and of the stopping rule."""

ALPHA = 0.05
"""Level of every test within one run, after the correction for having made several."""

REGRESSION_ALPHA = 0.005
"""Level at which two runs are called different; ``docs/statistics.md`` shows why it is stricter."""

_EXACT_UP_TO = 50  # values a side
_MOST_RESAMPLES = 4_999
_FEWEST_RESAMPLES = 999
_RESAMPLED_VALUES = 2_000_000  # keeps a report over 200 000 samples at seconds


class Interval(NamedTuple):
    """An estimate and its interval; the ends are None where n is too small for the confidence.

    Attributes:
        low: Lower end, in the unit of the estimate.
        estimate: The median, or the ratio; None for no values at all.
        high: Upper end.
        n: Number of values, or pairs, it is computed from.
        confidence: The confidence asked for, for example 0.95.
        unsure: Whether successive values depend on each other so much that it may be too narrow,
            however much it was widened.
    """

    low: float | None
    estimate: float | None
    high: float | None
    n: int
    confidence: float = CONFIDENCE
    unsure: bool = False

    @property
    def known(self) -> bool:
        """Whether there is an interval, not only an estimate."""
        return self.low is not None and self.high is not None


class Equivalence(NamedTuple):
    """Outcome of two one-sided tests of a ratio against a margin.

    Attributes:
        interval: The (1 - 2 alpha) interval of the ratio, the one the test looks at.
        lower: Lower bound of equivalence, 1 / (1 + margin).
        upper: Upper bound of equivalence, 1 + margin.
        p: The larger of the two one-sided exact p-values.
    """

    interval: Interval
    lower: float
    upper: float
    p: float

    @property
    def inside(self) -> bool:
        """Whether the whole interval lies within the bounds."""
        low, high = self.interval.low, self.interval.high
        return low is not None and high is not None and low >= self.lower and high <= self.upper


def fewest(confidence: float = CONFIDENCE) -> int:
    """Return the smallest n from which the median has an interval: 6 for 95 %, 5 for 90 %."""
    n = 1
    while 1 - 2 * 0.5**n < confidence:
        n += 1
    return n


def interval(values: Values, confidence: float = CONFIDENCE) -> Interval:
    """Return the median and its order-statistic interval.

    See ``benchmarks.stats.order_statistics`` for the method.

    Args:
        values: The values in the order they were taken.
        confidence: The confidence asked for.
    """
    found = assess(values)
    low, estimate, high = order_interval(values, confidence, fewest(confidence), found)
    if low is not None and low < 0 <= min(values):
        low = 0.0  # what is never negative has no negative median
    unsure = low is not None and found.hopeless
    return Interval(low, estimate, high, len(values), confidence, unsure=unsure)


def relative_half_width(values: Values, confidence: float = CONFIDENCE) -> float | None:
    """Return half the width of the median's interval over the median, for the stopping rule.

    None where n is too small for an interval or the median is 0: precision is then unknown.
    """
    low, estimate, high, *_ = interval(values, confidence)
    if low is None or high is None or not estimate:
        return None
    return (high - low) / 2 / abs(estimate)


def ratio(pairs: Pairs, confidence: float = CONFIDENCE) -> Interval:
    """Return the middle of the blocks' ratios, numerator / denominator, with its interval.

    Hodges and Lehmann's estimate with the exact signed-rank interval, of the ratios' logarithms:
    two sandboxes that vary alike make those symmetric, and it does not matter which of the two is
    the numerator. Beyond 150 blocks, and where a ratio is 0 or infinite, their median. A numerator
    of 0 or below makes a block's ratio 0. The estimate is None where the denominators' median is
    not positive; the interval also where an end would be infinite.

    Args:
        pairs: Numerator and denominator of each block, in the order of the blocks.
        confidence: The confidence asked for.
    """
    import numpy as np  # here and below: the command starts without it

    n = len(pairs)
    if n == 0:
        return Interval(None, None, None, 0, confidence)
    above, below = np.asarray(pairs, dtype=float).T
    if np.median(below) <= 0:
        return Interval(None, None, None, n, confidence)
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = np.log(np.maximum(above, 0)) - np.log(np.maximum(below, 0))
        # A denominator that is not positive bounds nothing: such a block's ratio is above all.
        logs = np.where(below > 0, logs, np.inf)
        found = assess(logs)
        ends = _middle_of_logs(logs, confidence, found)
    low, estimate, high = (None if end is None else float(np.exp(end)) for end in ends)
    if estimate is None or not np.isfinite(estimate):
        return Interval(None, None, None, n, confidence)
    if low is None or high is None or not np.isfinite([low, high]).all():
        return Interval(None, estimate, None, n, confidence)
    return Interval(low, estimate, high, n, confidence, unsure=found.hopeless)


def _middle_of_logs(
    logs: NDArray[np.float64], confidence: float, found: Dependence
) -> tuple[float | None, float | None, float | None]:
    import numpy as np

    n, least = len(logs), fewest(confidence)
    if n > signed_rank.MOST or not np.isfinite(logs).all():
        return order_interval(logs, confidence, least, found)
    low, estimate, high = signed_rank.interval(logs, confidence, found)
    return (low, estimate, high) if n >= least else (None, estimate, None)


def p_above(pairs: Pairs, bound: float) -> float:
    """Return the one-sided p-value for "the ratio typical of a block is above ``bound``".

    The exact signed-rank test on the ratios' logarithms; where they are found to depend on each
    other, on logarithms that lie as much further from their middle as the interval is wider. Ties
    count against the claim. 1.0 for no pairs.
    """
    return _p_beyond(pairs, bound, 1)


def p_below(pairs: Pairs, bound: float) -> float:
    """Return the one-sided p-value for "the ratio typical of a block is below ``bound``"."""
    return _p_beyond(pairs, bound, -1)


def _p_beyond(pairs: Pairs, bound: float, side: int) -> float:
    if not len(pairs):
        return 1.0
    import numpy as np

    above, below = np.asarray(pairs, dtype=float).T
    with np.errstate(divide="ignore", invalid="ignore"):
        beyond = np.log(np.maximum(above, 0)) - np.log(np.maximum(bound * below, 0))
    beyond = side * np.where(above == bound * below, 0.0, beyond)
    beyond = np.where(np.isnan(beyond), -np.inf, beyond)  # of nothing over nothing: against it
    inflation = dependence(beyond)
    if inflation > 1.0 and np.isfinite(beyond).all():
        middle = float(np.median(beyond))
        beyond = middle + (beyond - middle) * widening(len(beyond), inflation, CONFIDENCE)
    return signed_rank.p_positive(beyond)


def equivalence(pairs: Pairs, margin: float, *, alpha: float = ALPHA) -> Equivalence:
    """Test whether a ratio stays within a margin, by two one-sided tests.

    Both tests pass at level ``alpha`` when the (1 - 2 alpha) interval lies within
    (1 / (1 + margin), 1 + margin); the bounds are symmetrical in the logarithm, so that it does
    not matter which of the two sandboxes is the numerator.
    """
    lower, upper = 1 / (1 + margin), 1 + margin
    return Equivalence(
        interval=ratio(pairs, 1 - 2 * alpha),
        lower=lower,
        upper=upper,
        p=max(p_above(pairs, lower), p_below(pairs, upper)),
    )


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values adjusted by Holm's step-down method, in the order given."""
    count = len(p_values)
    adjusted = [0.0] * count
    running = 0.0
    for rank, index in enumerate(sorted(range(count), key=lambda i: p_values[i])):
        running = max(running, min(1.0, (count - rank) * p_values[index]))
        adjusted[index] = running
    return adjusted


def shift(base: Sequence[float], new: Sequence[float]) -> float:
    """Return the two-sided p-value that two unpaired sets of samples differ in location.

    The Mann-Whitney statistic: exact up to 50 values a side, ties included
    (``benchmarks.stats.rank_sum``), the normal approximation, corrected for ties, beyond. Where the
    values are autocorrelated its deviate is divided by the square root of the inflation of the
    variance, as if there were that many fewer values (Bayley and Hammersley, Suppl. J. R. Stat.
    Soc. 8 (1946) 184). 1.0 where a side is empty.

    Args:
        base: Values of one set, in the order they were taken.
        new: Values of the other.
    """
    if not base or not new:
        return 1.0
    from scipy.special import ndtr, ndtri
    from scipy.stats import mannwhitneyu

    if max(len(base), len(new)) <= _EXACT_UP_TO:
        p = rank_sum.exact(base, new)
    else:
        p = float(mannwhitneyu(base, new, method="asymptotic").pvalue)
    inflation = _pooled_dependence(base, new)
    if inflation == 1.0:
        return p
    return float(2 * ndtr(ndtri(p / 2) / inflation**0.5))


def unpaired_ratio(
    base: Sequence[float],
    new: Sequence[float],
    confidence: float = CONFIDENCE,
    *,
    seed: int,
) -> Interval:
    """Return median(new) / median(base) of unpaired samples, each side resampled by itself.

    The percentile interval is widened, in its logarithm, where the values are autocorrelated.
    ``n`` is the size of the smaller side. The ends are None as for ``ratio``.
    """
    import numpy as np

    n = min(len(base), len(new))
    below = float(np.median(base)) if base else 0.0
    if n == 0 or below <= 0:
        return Interval(None, None, None, n, confidence)
    estimate = float(np.median(new)) / below
    if n < fewest(confidence):
        return Interval(None, estimate, None, n, confidence)
    rng = np.random.default_rng(seed)
    resamples = _resamples(max(len(base), len(new)))
    above = _resampled_medians(np.asarray(new, dtype=float), resamples, rng)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = above / _resampled_medians(np.asarray(base, dtype=float), resamples, rng)
        widen = widening(n, _pooled_dependence(base, new), confidence)
        ratios = estimate * (ratios / estimate) ** widen if estimate > 0 else ratios
    return _percentiles(ratios, estimate, n, confidence)


def _pooled_dependence(base: Sequence[float], new: Sequence[float]) -> float:
    sizes = len(base), len(new)
    inflations = dependence(base), dependence(new)
    return sum(n * by for n, by in zip(sizes, inflations, strict=True)) / sum(sizes)


def _resamples(n: int) -> int:
    return max(_FEWEST_RESAMPLES, min(_MOST_RESAMPLES, _RESAMPLED_VALUES // n))


def _percentiles(
    ratios: NDArray[np.float64], estimate: float, n: int, confidence: float
) -> Interval:
    import numpy as np

    ends = [(1 - confidence) / 2, (1 + confidence) / 2]
    # An end is a resampled value itself: between a finite and an infinite one nothing can lie.
    low, high = np.quantile(ratios, ends, method="closest_observation")
    if not np.isfinite([low, high]).all():
        return Interval(None, estimate, None, n, confidence)
    return Interval(float(low), estimate, float(high), n, confidence)


def _resampled_medians(
    values: NDArray[np.float64], resamples: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    import numpy as np

    n = len(values)
    return np.asarray(np.median(values[rng.integers(0, n, size=(resamples, n))], axis=1))
