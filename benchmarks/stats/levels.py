"""Values that are nested in blocks: one value a block, and how much varies on each level.

What is repeated within a block shares what the host did during the block, so it is no independent
evidence: only one value of a block may enter an interval (Hurlbert, Ecol. Monogr. 54 (1984) 187,
*pseudoreplication*). The first value of a block is a warm-up for those that follow it and counts
only where nothing does.

How often to repeat follows from what each level costs and how much it varies: the best number is
sqrt(cost of a block / cost of one x variance within / variance between) (Neyman, J. R. Stat. Soc.
97 (1934) 558, for two stages; Kalibera and Jones, ISMM 2013, section 6).
"""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_TO_SIGMA = 1.4826
"""A normal distribution's standard deviation over its median absolute deviation."""
_MEDIAN_COSTS = 1.5708
"""Variance of a median over that of a mean, of normal values: pi / 2."""
_FEWEST_BLOCKS = 3
_LEAST_BETWEEN = 0.005
"""A spread between blocks that is smaller cannot be told from none in a few blocks."""


class Levels(NamedTuple):
    """How values vary, as relative standard deviations (of the logarithm).

    Attributes:
        within: From one repetition to the next within a block.
        between: From block to block, beyond what the repetitions explain.
        repetitions: Repetitions of a block, in the median.
        blocks: How many blocks it is told from.
    """

    within: float
    between: float
    repetitions: int
    blocks: int


def block_value(first: float | None, repeated: Sequence[float]) -> float | None:
    """Return the one value of a block: the median of what was repeated, else the first."""
    return median(repeated) if repeated else first


def levels(blocks: Iterable[Sequence[float]]) -> Levels | None:
    """Return how positive values vary on each level; None where that cannot be told.

    Both are robust: a median absolute deviation, so that one slow start does not count.

    Args:
        blocks: What was repeated in each block.
    """
    import numpy as np

    logs = [np.log(one) for one in blocks if len(one) > 1 and min(one) > 0]
    if len(logs) < _FEWEST_BLOCKS:
        return None
    centres = np.array([np.median(one) for one in logs])
    apart = np.concatenate([np.abs(one - np.median(one)) for one in logs])
    times = float(np.median([len(one) for one in logs]))
    within = _TO_SIGMA * float(np.median(apart)) * (times / (times - 1)) ** 0.5
    whole = float(np.var(centres, ddof=1))
    between = max(whole - _MEDIAN_COSTS * within**2 / times, 0.0) ** 0.5
    return Levels(within, between, int(times), len(logs))


def worthwhile(found: Levels, *, one_s: float, block_s: float) -> float:
    """Return how many repetitions in a block make the best of the time.

    Args:
        found: How much varies on each level.
        one_s: Time of one repetition.
        block_s: Time of all else in a block.
    """
    ratio = found.within / max(found.between, _LEAST_BETWEEN)
    return float(ratio * (block_s / one_s) ** 0.5)
