"""Error rate and power: how often the decision rules are wrong, and how often they find a shift."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks.simulation import rules
from benchmarks.simulation.noise import Noise
from benchmarks.stats import estimators

SHIFT = 1.05
"""The true shift to be found: 5 %."""

SIZES = (6, 10, 20, 30, 50, 100)


class Alarms(NamedTuple):
    """Shares of A/A campaigns with a false decision; several metrics share a campaign.

    Attributes:
        noise: Name of the noise.
        n: Blocks of a campaign.
        differs: For each margin, a claim that found a difference beyond it.
        changed: A comparison of two runs that called some metric worse or better.
        worse: The same, but only worse: what ends ``tare compare`` with exit code 3.
        loose: As ``changed``, at a level of 5 % instead of the one in force.
    """

    noise: str
    n: int
    differs: tuple[float, ...]
    changed: float
    worse: float
    loose: float


class Power(NamedTuple):
    """Shares of campaigns that found a true shift of 5 %.

    Attributes:
        noise: Name of the noise.
        n: Blocks of a campaign.
        paired: The interval of the paired ratio of one run leaves 1 out, on the right side.
        compared: A comparison of two runs at the default threshold.
        compared_low: The same at a threshold of 2 %.
        equal: For reference, where nothing differs: equivalence within 5 % was shown.
    """

    noise: str
    n: int
    paired: float
    compared: float
    compared_low: float
    equal: float


def alarms(noise: Noise, n: int, judged: int, campaigns: int, seed: int) -> Alarms:
    """Simulate A/A campaigns.

    Args:
        noise: Noise of every metric.
        n: Blocks of a campaign.
        judged: Independent metrics that a comparison judges at once.
        campaigns: How many to simulate.
        seed: Seed.
    """
    rng = np.random.default_rng([seed, n, 1])
    pairs = noise.draw(rng, campaigns, n)
    both = [_by_native(noise.draw(rng, campaigns * judged, n)) for _ in range(2)]
    wrong, worse, loose = 0, 0, 0
    for campaign in range(campaigns):
        rows = range(campaign * judged, (campaign + 1) * judged)
        runs = [(both[0][row].tolist(), both[1][row].tolist()) for row in rows]
        # a looser level finds all that the level in force finds
        found = rules.changed(runs, alpha=estimators.ALPHA)
        loose += any(found)
        found = rules.changed(runs) if any(found) else []
        wrong += any(found)
        worse += 1 in found
    return Alarms(
        noise=noise.name,
        n=n,
        differs=tuple(
            float(np.mean([rules.differs(one, margin) for one in pairs]))
            for margin in rules.MARGINS
        ),
        changed=wrong / campaigns,
        worse=worse / campaigns,
        loose=loose / campaigns,
    )


def power(noise: Noise, n: int, judged: int, campaigns: int, seed: int) -> Power:
    """Simulate campaigns in which one metric of one side is truly 5 % higher.

    A comparison judges it beside ``judged - 1`` metrics that did not change, whose p-values are
    taken as 1: only the correction they cause is felt.
    """
    rng = np.random.default_rng([seed, n, 2])
    drawn = noise.draw(rng, campaigns, n)
    shifted = drawn * np.array([SHIFT, 1.0])
    other = _by_native(noise.draw(rng, campaigns, n))
    alpha = estimators.REGRESSION_ALPHA / judged  # Holm's first step
    both = zip(other, _by_native(shifted), strict=True)
    runs = [(one.tolist(), new.tolist()) for one, new in both]
    return Power(
        noise=noise.name,
        n=n,
        paired=float(np.mean([_found_above(one) for one in shifted])),
        compared=_found(runs, rules.THRESHOLD, alpha),
        compared_low=_found(runs, 0.02, alpha),
        equal=float(np.mean([rules.equal(one, rules.MARGINS[0]) for one in drawn])),
    )


def _by_native(drawn: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return what a comparison of runs compares: each value over native's in the same block."""
    return np.asarray(drawn[:, :, 0] / drawn[:, :, 1])


def _found_above(pairs: NDArray[np.float64]) -> bool:
    return rules.excludes_one(pairs) and float(np.median(pairs[:, 0] / pairs[:, 1])) > 1


def _found(
    runs: Sequence[tuple[list[float], list[float]]], threshold: float, alpha: float
) -> float:
    return sum(rules.changed([one], threshold, alpha) == [1] for one in runs) / len(runs)
