"""Quantiles of values that are repeated within blocks, with intervals that know of the blocks.

All repetitions tell where a quantile lies, but only the blocks are independent: whole blocks are
drawn again (cluster bootstrap; Davison and Hinkley, Bootstrap Methods and their Application, 3.8).
A quantile is told only where its own interval from as many independent values would exist:
quantile**n below 2.5 % (Conover, Practical Nonparametric Statistics, 3.2), 72 for p95, 367 for p99.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.stats.estimators import CONFIDENCE, Interval, fewest

if TYPE_CHECKING:
    from collections.abc import Sequence

_RESAMPLES = 499


def quantile(blocks: Sequence[Sequence[float]], share: float, *, seed: int = 0) -> Interval | None:
    """Return a quantile of all values with its interval; None where there are too few of them.

    Args:
        blocks: What was repeated in each block.
        share: Share of values below it, at least one half.
        seed: Seed of the resampling.
    """
    import numpy as np

    n = sum(map(len, blocks))
    if n == 0 or share**n > (1 - CONFIDENCE) / 2:
        return None
    estimate = float(np.quantile(np.concatenate(list(map(np.asarray, blocks))), share))
    if len(blocks) < fewest():
        return Interval(None, estimate, None, n)
    rng = np.random.default_rng(seed)
    chosen = rng.integers(0, len(blocks), (_RESAMPLES, len(blocks)))
    drawn = [np.quantile(np.concatenate([blocks[i] for i in one]), share) for one in chosen]
    low, high = np.quantile(drawn, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return Interval(float(low), estimate, float(high), n)
