"""Find where series change their level: windowed E-divisive, deterministic.

Runs far off their neighbours on both sides are drawn in. Then each series is cut into overlapping
windows, and each window where the energy statistic is largest, again and again while Student's t
finds both sides different at a weak level. Of all points so found the weakest is then taken out,
and its neighbours are judged anew, until those that are left are strong between their neighbours. A
point is strong by the t-test's p-value times the number of places it could have been at, since it
was chosen among them.

Sources: Matteson and James, J. Am. Stat. Assoc. 109 (2014) 334 (E-divisive); Daly et al., ICPE
2020, 67 (for performance tests, with permutations); Fleming et al., ICPE 2023, 277 (windows, a
t-test, weak points first); Bai, Rev. Econ. Stat. 79 (1997) 551 (the interval of the place).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from reports.history import shift

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

FEWEST = 10
"""Points that a series has before anything in it is called a change."""

WINDOW = 50
_STEP = WINDOW // 2
_SIDE = 3
"""Points that a side of a change has at least."""
_WEAK = 0.01
STRONG = 0.001
"""Level of a change that is shown, corrected for its place; an alarm takes more."""

_AROUND = 5
_FAR = 4.0
_TO_SCALE = 1 / (0.6745 * 2**0.5)
"""From the median of the steps of independent normal values to their standard deviation."""

_BAI = 11.0
"""The 95 % quantile of the distance of the estimated place, in units of (scale / shift)**2."""
_MOST_AT_ONCE = 4_000_000
"""Distances that are held at once."""


class Change(NamedTuple):
    """A change of level.

    Attributes:
        at: Place of the first value of the new level.
        low: Earliest place that it may be.
        high: Latest place that it may be.
        p: p-value, times the number of places.
        shift: New level minus old one, with its interval.
        before: Values of the old level, back to the change before.
        after: Values of the new level.
    """

    at: int
    low: int
    high: int
    p: float
    shift: shift.Shift
    before: int
    after: int


def find(series: Sequence[NDArray[np.float64]]) -> list[list[Change]]:
    """Return the changes of each series, in their order.

    Args:
        series: Their values, in order, on a scale where noise is additive (logarithms).
    """
    series = [_without_outliers(values) for values in series]
    found: list[set[int]] = [set() for _ in series]
    for place, window in _suspects(series):
        values = series[place][window]
        for at in _divided(values):
            found[place].add(window.start + at)
    return [_strong(values, sorted(places)) for values, places in zip(series, found, strict=True)]


def _without_outliers(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Draw in what lies far from its neighbours on both sides: one such run would hide a change.

    A level of three values or more stays what it is (Hampel, J. Am. Stat. Assoc. 69 (1974) 383).
    """
    if len(values) < FEWEST:
        return values
    around = np.lib.stride_tricks.sliding_window_view(values, _AROUND)
    middle = np.pad(np.median(around, axis=1), _AROUND // 2, mode="edge")
    steps = np.abs(np.diff(values))
    scale = max(float(np.median(steps)) * _TO_SCALE, shift.LEAST_SCALE)
    return np.clip(values, middle - _FAR * scale, middle + _FAR * scale)


def _suspects(series: Sequence[NDArray[np.float64]]) -> list[tuple[int, slice]]:
    """Return the windows whose best cut is worth a closer look; all cuts are made together."""
    by_length: dict[int, list[tuple[int, int]]] = {}
    for place, values in enumerate(series):
        n = len(values)
        if n < FEWEST:
            continue
        length = min(n, WINDOW)
        starts = [*range(0, n - length, _STEP), n - length]
        by_length.setdefault(length, []).extend((place, start) for start in starts)
    suspects = []
    for length, windows in by_length.items():
        most = max(1, _MOST_AT_ONCE // length**2)
        for begin in range(0, len(windows), most):
            some = windows[begin : begin + most]
            table = np.array([series[place][start : start + length] for place, start in some])
            weak = shift.p_values(table, _cuts(table)) <= _WEAK
            suspects += [
                (place, slice(start, start + length))
                for (place, start), one in zip(some, weak.tolist(), strict=True)
                if one
            ]
    return suspects


def _cuts(table: NDArray[np.float64]) -> NDArray[np.intp]:
    """Return where each row is best cut in two: where the energy statistic is largest.

    Args:
        table: (rows, n), n at least twice the fewest values of a side.
    """
    n = table.shape[1]
    distances = np.abs(table[:, :, None] - table[:, None, :])
    sums = distances.cumsum(axis=1).cumsum(axis=2)
    left = np.arange(_SIDE, n - _SIDE + 1)
    right = n - left
    inside = sums[:, left - 1, left - 1]
    rows = sums[:, left - 1, n - 1]
    beyond = sums[:, -1, -1][:, None] - 2 * rows + inside
    energy = 2 * (rows - inside) / (left * right)
    energy -= inside / (left * (left - 1)) + beyond / (right * (right - 1))
    return np.asarray(left[np.argmax(energy * left * right / n, axis=1)])


def _divided(values: NDArray[np.float64]) -> list[int]:
    """Return the weak changes within a window."""
    places: list[int] = []
    pieces = [(0, len(values))]
    while pieces:
        first, last = pieces.pop()
        if last - first < 2 * _SIDE:
            continue
        piece = values[None, first:last]
        cut = _cuts(piece)
        if shift.p_values(piece, cut)[0] <= _WEAK:
            at = first + int(cut[0])
            places.append(at)
            pieces += [(first, at), (at, last)]
    return places


def _strong(values: NDArray[np.float64], places: list[int]) -> list[Change]:
    """Take out the weakest change until all are strong, then say where and how large they are."""
    kept = list(places)
    p = [_p(values, kept, index) for index in range(len(kept))]
    while kept:
        weakest = max(range(len(kept)), key=p.__getitem__)
        if p[weakest] <= STRONG:
            break
        del kept[weakest], p[weakest]
        for index in (weakest - 1, weakest):
            if 0 <= index < len(kept):
                p[index] = _p(values, kept, index)
    return [_change(values, kept, index) for index in range(len(kept))]


def _around(values: NDArray[np.float64], places: list[int], index: int) -> tuple[int, int]:
    first = places[index - 1] if index else 0
    last = places[index + 1] if index + 1 < len(places) else len(values)
    return first, last


def _p(values: NDArray[np.float64], places: list[int], index: int) -> float:
    """Return the p-value of a change between its neighbours, corrected for its place."""
    first, last = _around(values, places, index)
    at = places[index]
    if min(at - first, last - at) < _SIDE:
        return math.inf  # two windows found the same change at neighbouring places
    return shift.p_value(values[first:at], values[at:last]) * (last - first - 1)


def _change(values: NDArray[np.float64], places: list[int], index: int) -> Change:
    first, last = _around(values, places, index)
    at = places[index]
    found = shift.between(values[first:at], values[at:last])
    half = last - first
    if found.scale < abs(found.estimate) * half:
        half = int(_BAI * (found.scale / found.estimate) ** 2) + 1
    return Change(
        at=at,
        low=max(first + 1, at - half),
        high=min(last - 1, at + half),
        p=min(1.0, _p(values, places, index)),
        shift=found,
        before=at - first,
        after=last - at,
    )
