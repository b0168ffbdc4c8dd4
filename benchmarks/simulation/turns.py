"""Error rate and power of two versions measured in turns (``tare ab``).

The host's noise runs on from turn to turn, whoever's turn it is; each turn has an effect of its own
besides, as a new process has. Which of a round's two turns is the new version's, a coin says.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks.simulation.decisions import SHIFT
from benchmarks.simulation.noise import Noise
from benchmarks.stats import estimators, rounds

SIZES = (9, 12, 16, 20, 30, 50)
BLOCKS = 10
"""Blocks of one turn, as by default."""
BETWEEN = 0.02
"""Standard deviation of what differs from run to run, on the logarithm."""


class Turns(NamedTuple):
    """Shares of comparisons by turns.

    Attributes:
        noise: Name of the noise.
        rounds: Rounds of a comparison.
        found: It found that the new version is 5 % slower.
        alarms: It called something worse or better where nothing differs, of ``judged`` metrics.
        equal: It called a metric equal where nothing differs.
        one_run: For comparison: one turn of each, as long as all of its rounds together, differs by
            more than the threshold where nothing does.
    """

    noise: str
    rounds: int
    found: float
    alarms: float
    equal: float
    one_run: float


def turns(noise: Noise, n: int, judged: int, campaigns: int, seed: int) -> Turns:
    """Simulate comparisons of so many rounds.

    Args:
        noise: Noise of the starts of a host.
        n: Rounds of a comparison.
        judged: Metrics that share a comparison.
        campaigns: How many to simulate.
        seed: Seed.
    """
    rng = np.random.default_rng([seed, n, 4])
    same = _ratios(noise, n, campaigns * judged, rng)
    slower = SHIFT * _ratios(noise, n, campaigns, rng)
    decisions = [
        _decided(same[start : start + judged]) for start in range(0, campaigns * judged, judged)
    ]
    # the others of its campaign did not change, and cost it only the correction
    found = [rounds.decide(one, min(1.0, judged * rounds.p_value(one))) for one in slower]
    single = rng.standard_normal((campaigns, 2)) * BETWEEN
    apart = np.abs(single[:, 0] - single[:, 1]) > np.log1p(rounds.THRESHOLD)
    return Turns(
        noise=noise.name,
        rounds=n,
        found=float(np.mean([one == 1 for one in found])),
        alarms=float(np.mean([any(one in {1, -1} for one in some) for some in decisions])),
        equal=float(np.mean([one == 0 for some in decisions for one in some])),
        one_run=float(np.mean(apart)),
    )


def _ratios(
    noise: Noise, n: int, comparisons: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Draw new over base of each round where nothing differs: (comparisons, rounds)."""
    series = noise.draw(rng, comparisons, 2 * n * BLOCKS)[:, :, 0]
    medians = np.median(series.reshape(comparisons, n, 2, BLOCKS), axis=3)
    medians = medians * np.exp(BETWEEN * rng.standard_normal(medians.shape))
    first_is_new = rng.random((comparisons, n)) < 0.5  # noqa: PLR2004  # a fair coin
    later_over_first = medians[:, :, 1] / medians[:, :, 0]
    return np.where(first_is_new, 1 / later_over_first, later_over_first)


def _decided(metrics: NDArray[np.float64]) -> list[int | None]:
    adjusted = estimators.holm([rounds.p_value(one) for one in metrics])
    return [rounds.decide(one, p) for one, p in zip(metrics, adjusted, strict=True)]
