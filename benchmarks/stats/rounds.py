"""Two versions measured in turns: the effect over rounds, its interval and its exact test.

A *round* measures both versions once, in the order of a coin, each with everything opened anew. So
what differs from run to run (memory layout, where a process came to lie) is drawn anew in every
round and averaged out, which no number of blocks within one run can do; the round is the unit, and
one value of each version, the median of its turn, goes in.

If nothing differs, the coin alone decides which of a round's two values is called new: each sign of
its log ratio is equally likely, whatever the host did meanwhile. The signed-rank test over these
signs is therefore exact, also where the host drifts. The effect is the Hodges-Lehmann estimate, the
median of all averages of two rounds, with the interval that the test does not reject.

Sources: Kalibera and Jones, Rigorous Benchmarking in Reasonable Time (ISMM 2013), repetitions at
the highest level; Hollander, Wolfe and Chicken, Nonparametric Statistical Methods, 3rd ed., 3.1 to
3.3; Rosenberger and Lachin, Randomization in Clinical Trials, ch. 7 (the coin as the basis).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.stats.dependence import NONE
from benchmarks.stats.estimators import ALPHA, CONFIDENCE, REGRESSION_ALPHA, Interval
from benchmarks.stats.estimators import fewest as fewest_values
from benchmarks.stats.signed_rank import interval

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

THRESHOLD = 0.05
"""The change that is to be found, as a fraction; what is found beyond half of it counts."""


def effect(ratios: Sequence[float], confidence: float = CONFIDENCE) -> Interval:
    """Return the typical ratio, new over base, with its exact interval.

    Args:
        ratios: New over base of each round, positive.
        confidence: The confidence asked for; the ends are None where n is too small for it.
    """
    import numpy as np

    n = len(ratios)
    if n == 0:
        return Interval(None, None, None, 0, confidence)
    logs = np.log(np.asarray(ratios, dtype=float))
    low, estimate, high = (float(np.exp(end)) for end in interval(logs, confidence, NONE))
    if n < fewest_values(confidence):
        return Interval(None, estimate, None, n, confidence)
    return Interval(low, estimate, high, n, confidence)


def p_value(ratios: Sequence[float]) -> float:
    """Return the two-sided exact p-value that the versions differ; ties are counted exactly.

    Args:
        ratios: New over base of each round, positive.
    """
    import numpy as np
    from scipy.stats import rankdata

    logs = np.log(np.asarray(ratios, dtype=float))
    logs = logs[logs != 0]  # an equal round says nothing of a direction
    if len(logs) == 0:
        return 1.0
    # twice a midrank is a whole number
    # 0.8 and 1.25 are a tie, whatever the last digit of their logarithms
    ranks = np.rint(2 * rankdata(np.abs(logs).round(12))).astype(int)
    chances = _chances(ranks)
    seen = int(ranks[logs > 0].sum())
    return float(min(1.0, 2 * min(chances[: seen + 1].sum(), chances[seen:].sum())))


def decide(ratios: Sequence[float], p: float, threshold: float = THRESHOLD) -> int | None:
    """Decide one metric.

    Args:
        ratios: New over base of each round.
        p: Its p-value, corrected for all metrics that are judged.
        threshold: The change that is to be found.

    Returns:
        1 where new has more, -1 where it has less, 0 where they are equal within the threshold,
        None where that is undecided.
    """
    low, estimate, high, *_ = effect(ratios)
    if estimate is not None and low is not None and high is not None and p <= REGRESSION_ALPHA:
        beyond = 1 + threshold / 2
        if estimate > beyond and low > 1:
            return 1
        if estimate < 1 / beyond and high < 1:
            return -1
    narrow = effect(ratios, 1 - 2 * ALPHA)
    if narrow.low is None or narrow.high is None:
        return None
    return 0 if narrow.low > 1 / (1 + threshold) and narrow.high < 1 + threshold else None


def fewest(metrics: int) -> int:
    """Return how many rounds there must be before so many metrics can show any change."""
    rounds = 1
    while 2 * 0.5**rounds > REGRESSION_ALPHA / max(metrics, 1):
        rounds += 1
    return rounds


def _chances(ranks: NDArray[np.int_]) -> NDArray[np.float64]:
    """Return the chance of each sum of ranks, if each rank is in it or not by a fair coin."""
    import numpy as np

    chances = np.zeros(int(ranks.sum()) + 1)
    chances[0] = 1.0
    for rank in ranks:
        shifted = np.zeros_like(chances)
        shifted[rank:] = chances[: len(chances) - rank]
        chances = (chances + shifted) / 2
    return chances
