"""The capacity of a binary symmetric channel from bits compared, with an exact interval.

C = R (1 - H2(p)) (Shannon 1948), p the share of bits received wrong. The interval of p is Clopper's
and Pearson's (Biometrika 26 (1934) 404): exact for independent bits, whatever their number. It is
carried over to C, which is monotone on either side of p = 1/2.

Whether anything arrived is another question than how much: a table holds dozens of channels, and
at 95 % one in forty dead ones would seem to carry. So it takes an exact binomial test at 0.1 %.
"""

from __future__ import annotations

import math

from benchmarks.experiments.covert_channels.model import (
    HIGH_BITS_PER_S,
    LOW_BITS_PER_S,
    Attempt,
    Band,
    Capacity,
)

CONFIDENCE = 0.95
CARRIES_ALPHA = 0.001


def entropy(p: float) -> float:
    """Return H2(p), the entropy of a bit that is 1 with probability p, in bits."""
    return -sum(q * math.log2(q) for q in (p, 1 - p) if q > 0)


def error_interval(wrong: int, bits: int) -> tuple[float, float]:
    """Return the exact 95 % interval of the probability of a wrong bit."""
    from scipy.stats import binomtest  # half a second to import

    found = binomtest(wrong, bits).proportion_ci(CONFIDENCE, method="exact")
    return float(found.low), float(found.high)


def better_than_a_coin(wrong: int, bits: int) -> bool:
    """Whether so few wrong bits are no accident."""
    from scipy.stats import binomtest

    return bool(binomtest(wrong, bits, 0.5, alternative="less").pvalue < CARRIES_ALPHA)


def capacity(attempt: Attempt) -> Capacity | None:
    """Return what an attempt says of its channel; None where it failed.

    A channel whose source is closed has capacity 0, without doubt. One that is no better than a
    coin carries nothing; its upper bound is what the number of bits leaves possible.
    """
    if attempt.closed is not None:
        return Capacity(0.0, 0.0, 0.0, carries=False, band=Band.IGNORABLE)
    if attempt.error is not None or not attempt.bits:
        return None
    p = attempt.wrong / attempt.bits
    low_p, high_p = error_interval(attempt.wrong, attempt.bits)
    ends = [attempt.rate * (1 - entropy(q)) for q in (low_p, high_p)]
    nothing = not better_than_a_coin(attempt.wrong, attempt.bits)
    low = 0.0 if nothing else min(ends)
    estimate = 0.0 if nothing else attempt.rate * (1 - entropy(p))
    high = max(ends)
    return Capacity(
        estimate, low, high, carries=not nothing, band=band(high if nothing else estimate)
    )


def band(bits_per_s: float) -> Band:
    """Return the band of a capacity."""
    if bits_per_s > HIGH_BITS_PER_S:
        return Band.HIGH
    return Band.AUDITABLE if bits_per_s >= LOW_BITS_PER_S else Band.IGNORABLE
