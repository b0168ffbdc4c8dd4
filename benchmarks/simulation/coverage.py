"""Coverage: how often a nominal 95 % interval covers the truth, for shapes of known truth."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import bdtr

from benchmarks.simulation.noise import Noise
from benchmarks.stats import estimators

SIZES = (6, 10, 20, 50)
LONG = 400
"""Blocks of the longest campaigns, for noise that drifts slowly."""
_RESAMPLES = 999


class Coverage(NamedTuple):
    """Shares of campaigns whose interval did not miss the truth, for one noise and one n.

    An interval that says of itself that it is unsure, since the values depend on each other too
    much, misses nothing.

    Attributes:
        noise: Name of the noise.
        n: Blocks of a campaign.
        median: The interval of a median.
        median_sure: Share of campaigns whose interval is sure.
        ratio: The interval of a paired ratio.
        ratio_sure: Share of campaigns whose interval is sure.
        exact_median: For comparison, the interval between whole order statistics.
        bootstrap_ratio: For comparison, the ratio of the two medians, percentile bootstrap.
        narrower: Mean width of the ratio's interval over that of the bootstrap's.
    """

    noise: str
    n: int
    median: float
    median_sure: float
    ratio: float
    ratio_sure: float
    exact_median: float
    bootstrap_ratio: float
    narrower: float


def coverage(noises: Sequence[Noise], campaigns: int, seed: int) -> list[Coverage]:
    """Measure every noise at every size."""
    return [
        _cover(noise, n, campaigns, np.random.default_rng([seed, place, n]))
        for place, noise in enumerate(noises)
        for n in (*SIZES, *((LONG,) if noise.slow else ()))
    ]


def _cover(noise: Noise, n: int, campaigns: int, rng: np.random.Generator) -> Coverage:
    drawn = noise.draw(rng, campaigns, n)
    medians = np.array([estimators.interval(one[:, 0]) for one in drawn], dtype=float)
    ratios = np.array([estimators.ratio(one) for one in drawn], dtype=float)
    # The slow comparison uses a quarter of the campaigns.
    some = drawn[: max(campaigns // 4, 1)]
    resampled = _bootstrap(some, rng)
    return Coverage(
        noise=noise.name,
        n=n,
        median=_share(medians[:, 0], medians[:, 2], medians[:, 5]),
        median_sure=1 - float(np.mean(medians[:, 5])),
        ratio=_share(ratios[:, 0], ratios[:, 2], ratios[:, 5]),
        ratio_sure=1 - float(np.mean(ratios[:, 5])),
        exact_median=_share(*_exact(drawn[:, :, 0])),
        bootstrap_ratio=_share(*resampled),
        narrower=float(
            np.mean(ratios[: len(some), 2] - ratios[: len(some), 0])
            / np.mean(resampled[1] - resampled[0])
        ),
    )


def _share(
    low: NDArray[np.float64], high: NDArray[np.float64], unsure: NDArray[np.float64] | float = 0.0
) -> float:
    return float(np.mean((low <= 1) & (high >= 1) | (np.asarray(unsure) > 0)))


def _exact(values: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the ends between whole order statistics, as ``scipy.stats.quantile_test`` does."""
    ordered = np.sort(values, axis=1)
    n = ordered.shape[1]
    ranks = np.arange(1, n // 2 + 1)
    k = int(ranks[2 * bdtr(ranks - 1.0, n, 0.5) <= 1 - estimators.CONFIDENCE][-1])
    return ordered[:, k - 1], ordered[:, n - k]


def _bootstrap(
    drawn: NDArray[np.float64], rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the ends of the percentile bootstrap of median over median, blocks resampled."""
    n = drawn.shape[1]
    chosen = rng.integers(0, n, (_RESAMPLES, n))
    ends = []
    for one in drawn:
        medians = np.median(one[chosen], axis=1)
        ends.append(np.quantile(medians[:, 0] / medians[:, 1], [0.025, 0.975]))
    low, high = np.array(ends).T
    return low, high
