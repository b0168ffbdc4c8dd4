"""Judge real starts of one sandbox as if they were of two: every difference found is false.

Successive starts are paired, as in a block, and a seeded coin decides which of the two counts as
the first sandbox. So the decision rules are tried on the host's own noise, drift and outliers.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import batched

from benchmarks.simulation import rules
from benchmarks.stats import estimators
from benchmarks.stats.dependence import dependence
from benchmarks.stats.warmup import warm_up

_SLACK = 2
"""A promise is kept where the rate is shown to be below so many times it: no number of campaigns
shows that a rate is not above a bound that it lies on."""
_MOST_CAMPAIGNS = 100_000


class Answer(StrEnum):
    """What campaigns say of a promise."""

    KEPT = "kept"
    BROKEN = "broken"
    OPEN = "cannot tell"


@dataclass(frozen=True)
class Rate:
    """How often something happened.

    Attributes:
        count: Times it happened.
        of: Times it could have.
        low: Lower end of the exact 95 % interval of the rate (Clopper and Pearson, Biometrika 26
            (1934) 404).
        high: Upper end.
        expected: The rate that was promised, at most.
    """

    count: int
    of: int
    low: float
    high: float
    expected: float

    @property
    def answer(self) -> Answer:
        """Whether the promise is broken beyond chance, shown to be kept, or neither."""
        if self.low > self.expected:
            return Answer.BROKEN
        return Answer.KEPT if self.high <= _SLACK * self.expected else Answer.OPEN

    @property
    def needed(self) -> int | None:
        """How many campaigns would tell if things went on like this; None where none would."""
        share = self.count / self.of if self.of else 0.0
        campaigns = max(self.of, 1)
        while campaigns <= _MOST_CAMPAIGNS:
            low, high = _bounds(round(share * campaigns), campaigns)
            if low > self.expected or high <= _SLACK * self.expected:
                return campaigns
            campaigns += max(1, campaigns // 10)
        return None


@dataclass(frozen=True)
class Verdict:
    """Result of judging starts in A/A campaigns.

    Attributes:
        starts: Starts judged.
        median: Median start with its interval, seconds.
        inflation: By how much autocorrelation inflates the median's variance; 1 is none.
        warm_up: First starts that belong to a warm-up.
        interval: Campaigns whose 95 % interval of the paired ratio left 1 out.
        claim: Campaigns in which a claim of margin 5 % would have been decided, falsely.
        compare: Pairs of runs that ``tare compare`` would have called worse or better.
    """

    starts: int
    median: estimators.Interval
    inflation: float
    warm_up: int
    interval: Rate
    claim: Rate
    compare: Rate


def judge(starts: Sequence[float], blocks: int, seed: int) -> Verdict:
    """Cut the starts into A/A campaigns and judge each.

    Args:
        starts: Start times of one sandbox in the order they were taken, seconds.
        blocks: Blocks of one campaign.
        seed: Seed of the coin.
    """
    coin = random.Random(seed)
    pairs = [
        (one, other) if coin.random() < 0.5 else (other, one)  # noqa: PLR2004  # a fair coin
        for one, other in zip(starts[::2], starts[1::2], strict=False)
    ]
    campaigns = [list(some) for some in batched(pairs, blocks) if len(some) == blocks]
    runs = [list(some) for some in batched(starts, blocks) if len(some) == blocks]
    compared = list(zip(runs[::2], runs[1::2], strict=False))
    return Verdict(
        starts=len(starts),
        median=estimators.interval(starts),
        inflation=dependence(starts),
        warm_up=warm_up(starts),
        interval=rate([rules.excludes_one(one) for one in campaigns], 0.05),
        claim=rate([rules.differs(one, rules.MARGINS[0]) for one in campaigns], 0.01),
        compare=rate([any(rules.changed([one])) for one in compared], 0.01),
    )


def rate(happened: Sequence[bool], expected: float) -> Rate:
    """Return how often something happened, with its exact interval."""
    count = sum(happened)
    return Rate(count, len(happened), *_bounds(count, len(happened)), expected)


def _bounds(count: int, of: int) -> tuple[float, float]:
    """Return the exact 95 % interval of a rate."""
    from scipy.stats import binomtest

    if not of:
        return 0.0, 1.0
    low, high = binomtest(count, of).proportion_ci(0.95)
    return float(low), float(high)
