"""Test the latest runs of a series against the window before them, and that window for drift.

One run may be an outlier of anything, so by itself it has to be three times as far out; of the last
two, three and five each counts with at most three and a half standard deviations, so that none of
them decides alone. Where neighbours in the window depend on each other, the error is widened.

Sources: Mann, Econometrica 13 (1945) 245, and Sen, J. Am. Stat. Assoc. 63 (1968) 1379 (drift).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.special import ndtr, ndtri, stdtr, stdtrit

from benchmarks.stats.estimators import CONFIDENCE
from reports.history import shift

if TYPE_CHECKING:
    from numpy.typing import NDArray

WINDOW = 40
_FEWEST = 10
_COUNTS = (1, 2, 3, 5)
_TRIED = len(_COUNTS) - 1
"""What a p-value is corrected by: one run, so handicapped, adds next to nothing."""

_FAR = 3.5
_ALONE = 3.0
DRIFT_WINDOW = 60
_FEWEST_DRIFTING = 20


class Latest(NamedTuple):
    """How the last runs lie to those before.

    Attributes:
        p: p-value, corrected for the numbers of runs that were tried.
        runs: How many of the last runs are meant.
        window: How many there are before them.
        shift: How far they lie above, with its interval.
    """

    p: float
    runs: int
    window: int
    shift: shift.Shift


class Drift(NamedTuple):
    """A slow change over a window.

    Attributes:
        p: p-value of there being none.
        window: Values in the window.
        low: Lower end of its interval.
        total: Change from the first to the last value of the window.
        high: Upper end.
    """

    p: float
    window: int
    low: float
    total: float
    high: float


def latest(values: NDArray[np.float64]) -> Latest | None:
    """Test the last values of a level; None where too few are before them."""
    best: Latest | None = None
    for count in _COUNTS:
        window = values[max(0, len(values) - count - WINDOW) : len(values) - count]
        n = len(window)
        if n < _FEWEST:
            continue
        middle = window.mean()
        scale = max(float(window.std(ddof=1)), shift.LEAST_SCALE)
        last = values[-count:] - middle
        weighed = last / _ALONE if count == 1 else np.clip(last, -_FAR * scale, _FAR * scale)
        error = scale * (1 / count + shift.inflation(window) / n) ** 0.5
        if count > 1:
            error *= shift.inflation(window) ** 0.5
        p = 2 * float(stdtr(n - 1, -abs(float(weighed.mean())) / error)) * _TRIED
        if best is None or p < best.p:
            half = float(stdtrit(n - 1, (1 + CONFIDENCE) / 2)) * error
            size = float(last.mean())
            best = Latest(min(p, 1.0), count, n, shift.Shift(size - half, size, size + half, scale))
    return best


def drift(values: NDArray[np.float64]) -> Drift | None:
    """Test the last values of a level for a trend; None for too few."""
    window = values[-DRIFT_WINDOW:]
    n = len(window)
    if n < _FEWEST_DRIFTING:
        return None
    first, second = np.triu_indices(n, 1)
    steps = window[second] - window[first]
    slopes = np.sort(steps / (second - first))
    _, ties = np.unique(window, return_counts=True)
    tied = float((ties * (ties - 1) * (2 * ties + 5)).sum())
    variance = (n * (n - 1) * (2 * n + 5) - tied) / 18
    variance *= shift.inflation(window - float(np.median(slopes)) * np.arange(n))
    if variance <= 0:
        return Drift(1.0, n, 0.0, 0.0, 0.0)
    score = abs(float(np.sign(steps).sum()))
    p = 2 * float(ndtr(-max(score - 1, 0.0) / variance**0.5))
    half = float(ndtri((1 + CONFIDENCE) / 2)) * variance**0.5 / 2
    middle = len(slopes) / 2
    low = float(slopes[max(0, int(middle - half))])
    high = float(slopes[min(len(slopes) - 1, int(middle + half))])
    return Drift(p, n, low * (n - 1), float(np.median(slopes)) * (n - 1), high * (n - 1))
