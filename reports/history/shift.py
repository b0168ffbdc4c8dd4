"""Student's t for the shift between two neighbouring pieces of a series."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.special import stdtr, stdtrit

from benchmarks.stats.estimators import CONFIDENCE

if TYPE_CHECKING:
    from numpy.typing import NDArray

LEAST_SCALE = 1e-3
"""Scatter that is assumed where values are (nearly) equal: a count that never changed says nothing
of how far the next one may be."""

_DEPENDENT = 1.645
"""Quantile of the first autocorrelation, times the root of n, beyond which it counts."""


class Shift(NamedTuple):
    """How far one piece lies above another.

    Attributes:
        low: Lower end of its interval.
        estimate: Difference of the means.
        high: Upper end.
        scale: Standard deviation of single values around their piece's mean.
    """

    low: float
    estimate: float
    high: float
    scale: float


def p_values(table: NDArray[np.float64], cuts: NDArray[np.intp]) -> NDArray[np.float64]:
    """Return the two-sided p-value of each row's two sides being equal.

    Args:
        table: (rows, n) values.
        cuts: (rows,) how many of each row are on its left side.
    """
    n = table.shape[1]
    # the middle is taken off first: squares of large numbers would leave nothing of small scatter
    centred = table - table.mean(axis=1, keepdims=True)
    rows = np.arange(len(table))
    sums = centred.cumsum(axis=1)
    left = sums[rows, cuts - 1]
    right = sums[:, -1] - left
    squares = (centred**2).sum(axis=1) - left**2 / cuts - right**2 / (n - cuts)
    scale = np.maximum(np.sqrt(np.maximum(squares, 0.0) / (n - 2)), LEAST_SCALE)
    error = scale * np.sqrt(1 / cuts + 1 / (n - cuts))
    t = np.abs(left / cuts - right / (n - cuts)) / error
    return np.asarray(2 * stdtr(n - 2, -t))


def between(before: NDArray[np.float64], after: NDArray[np.float64]) -> Shift:
    """Return the shift from one piece to the next with its interval."""
    one, two = len(before), len(after)
    squares = float(((before - before.mean()) ** 2).sum() + ((after - after.mean()) ** 2).sum())
    free = one + two - 2
    scale = max((squares / free) ** 0.5, LEAST_SCALE)
    wider = inflation(np.concatenate([before - before.mean(), after - after.mean()]))
    half = float(stdtrit(free, (1 + CONFIDENCE) / 2)) * scale
    half *= ((1 / one + 1 / two) * wider) ** 0.5
    estimate = float(after.mean() - before.mean())
    return Shift(estimate - half, estimate, estimate + half, scale)


def inflation(values: NDArray[np.float64]) -> float:
    """Return by how much dependence of neighbours widens the variance of a mean."""
    centred = values - values.mean()
    squares = float((centred**2).sum())
    if squares == 0:
        return 1.0
    first = float((centred[1:] * centred[:-1]).sum()) / squares
    if first <= _DEPENDENT / len(values) ** 0.5:
        return 1.0
    return (1 + first) / (1 - first)


def p_value(before: NDArray[np.float64], after: NDArray[np.float64]) -> float:
    """Return the two-sided p-value of two pieces being equal, neighbours being dependent or not."""
    found = between(before, after)
    one, two = len(before), len(after)
    rest = np.concatenate([before - before.mean(), after - after.mean()])
    error = found.scale * ((1 / one + 1 / two) * inflation(rest)) ** 0.5
    return 2 * float(stdtr(one + two - 2, -abs(found.estimate) / error))
