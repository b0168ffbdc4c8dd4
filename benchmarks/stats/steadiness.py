"""Tell values that are of one kind from those that changed meanwhile, or that come in two modes.

A change is the place at which ranks before and after differ most (see ``warmup``). Two modes are
two groups that explain nearly all of the logarithms' variance: for one normal distribution the best
cut explains 2/pi of it (64 %), for a uniform one 75 % (Otsu, IEEE Trans. SMC 9 (1979) 62, whose
cut this is). Nothing is dropped; the answer is for a report to show.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from benchmarks.stats.warmup import change_point

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from benchmarks.stats.estimators import Values

_FEWEST = 10
_FEWEST_IN_PART = 3
_ALPHA = 0.01
"""A run has tens of series, and each is looked at."""
_SMALLEST = 0.05
_MOST_CUTS = 2000
"""Longer series are cut where their ranks differ most, which is near enough there."""
_MODES_EXPLAIN = 0.9
_SMALLEST_MODE = 0.2
_MODES_APART = 0.2


class Change(NamedTuple):
    """A change of level.

    Attributes:
        at: How many values stand before it.
        before: Their median.
        after: The median of those from it on.
    """

    at: int
    before: float
    after: float


class Modes(NamedTuple):
    """Two levels that values alternate between.

    Attributes:
        low: Median of the lower ones.
        high: Median of the higher ones.
        share: Share of the higher ones.
    """

    low: float
    high: float
    share: float


def change(values: Values, *, seed: int = 0) -> Change | None:
    """Return the change of level in values, in the order they were measured; None without one.

    Fewer than 10 values, a median that moves by less than 5 %, and what only a few values show are
    no change.
    """
    import numpy as np

    data = np.asarray(values, dtype=float)
    if len(data) < _FEWEST or not np.isfinite(data).all():
        return None
    at, p = change_point(data, seed=seed)
    at = _best_cut(data) if len(data) <= _MOST_CUTS else at
    before, after = float(np.median(data[:at])), float(np.median(data[at:]))
    if p > _ALPHA or min(at, len(data) - at) < _FEWEST_IN_PART:
        return None
    if abs(after - before) <= _SMALLEST * min(abs(before), abs(after)):
        return None
    return Change(at, before, after)


def _best_cut(data: NDArray[np.float64]) -> int:
    """Return the place whose two medians leave the least distance: ranks alone see it too early."""
    import numpy as np

    def left(at: int) -> float:
        parts = data[:at], data[at:]
        return sum(float(np.abs(part - np.median(part)).sum()) for part in parts)

    return min(range(1, len(data)), key=left)


def modes(values: Values) -> Modes | None:
    """Return the two levels that values come in, at least 20 % apart; None where there is one."""
    import numpy as np

    data = np.sort(np.asarray(values, dtype=float))
    n = len(data)
    if n < _FEWEST or not np.isfinite(data).all() or data[0] <= 0:
        return None
    logs = np.log(data)
    below = np.arange(1, n)
    means = np.cumsum(logs)[:-1] / below, (logs.sum() - np.cumsum(logs)[:-1]) / (n - below)
    between = below * (n - below) / n**2 * (means[1] - means[0]) ** 2
    cut = int(np.argmax(between)) + 1
    spread = float(logs.var())
    low, high = float(np.median(data[:cut])), float(np.median(data[cut:]))
    share = (n - cut) / n
    apart = high > (1 + _MODES_APART) * low and between[cut - 1] > _MODES_EXPLAIN * spread
    return (
        Modes(low, high, share) if apart and _SMALLEST_MODE <= share <= 1 - _SMALLEST_MODE else None
    )
