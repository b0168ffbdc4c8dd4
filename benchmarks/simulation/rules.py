"""Decision rules of the reports over plain values, fast enough to be simulated 10 000 times.

This package must not import ``reports``; a test checks that these rules and the reports' own give
the same answers.
"""

from collections.abc import Sequence

from benchmarks.stats import estimators

THRESHOLD = 0.05
"""Smallest relative change that a comparison counts by default."""

MARGINS = (0.05, 0.10)
"""Margins of the claims."""


def excludes_one(pairs: estimators.Pairs) -> bool:
    """Tell whether the 95 % interval of the paired ratio leaves 1 out."""
    found = estimators.ratio(pairs)
    return found.low is not None and found.high is not None and not found.low <= 1 <= found.high


def differs(pairs: estimators.Pairs, margin: float) -> bool:
    """Tell whether a claim would call the two sandboxes different by more than its margin.

    Holm's correction over the claims is left out: with it the answer is yes less often.
    """
    found = estimators.ratio(pairs)
    if found.low is not None and found.low > 1 + margin:
        return estimators.p_above(pairs, 1 + margin) <= estimators.ALPHA
    if found.high is not None and found.high < 1 / (1 + margin):
        return estimators.p_below(pairs, 1 / (1 + margin)) <= estimators.ALPHA
    return False


def equal(pairs: estimators.Pairs, margin: float) -> bool:
    """Tell whether a claim would call the two sandboxes equal within its margin."""
    found = estimators.equivalence(pairs, margin)
    return found.inside and found.p <= estimators.ALPHA


def changed(
    runs: Sequence[tuple[Sequence[float], Sequence[float]]],
    threshold: float = THRESHOLD,
    alpha: float = estimators.REGRESSION_ALPHA,
) -> list[int]:
    """Decide for every metric of two runs, given as (base, new), as ``tare compare`` does.

    Returns:
        For every metric 1 where the new run has more, -1 where it has less, else 0.
    """
    adjusted = estimators.holm([estimators.shift(base, new) for base, new in runs])
    return [  # the bootstrap costs far more than the test, so it comes last
        _side(base, new, threshold) if p <= alpha else 0
        for (base, new), p in zip(runs, adjusted, strict=True)
    ]


def _side(base: Sequence[float], new: Sequence[float], threshold: float) -> int:
    found = estimators.unpaired_ratio(base, new, seed=0)
    if found.estimate is None or found.low is None or found.high is None:
        return 0
    if found.estimate > 1 + threshold and found.low > 1:
        return 1
    return -1 if found.estimate < 1 / (1 + threshold) and found.high < 1 else 0
