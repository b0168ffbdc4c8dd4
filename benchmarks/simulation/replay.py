"""Replay of the stopping rule on real starts: its saving against a fixed number of starts."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import batched
from statistics import fmean, median

from benchmarks.simulation.stopping import FIXED
from benchmarks.stats.estimators import relative_half_width

PRECISION = 0.02
"""Relative half-width of the median's interval that is asked for."""

_LEAST = 10
_MOST = 200


@dataclass(frozen=True)
class Replay:
    """Series of starts, each judged by the stopping rule and by the fixed design.

    Attributes:
        series: How many series of 200 starts there were.
        reached: How many of them reached the precision.
        starts: Mean number of starts until they did, 200 where they did not.
        wall: Mean time of those starts over the time of the fixed design's.
        fixed: Starts of the fixed design.
        precision_fixed: Median relative half-width that the fixed design reached.
    """

    series: int
    reached: int
    starts: float
    wall: float
    fixed: int
    precision_fixed: float | None


def replay(starts: Sequence[float]) -> Replay | None:
    """Cut starts into series of 200 and stop each; None where there is not one series.

    Args:
        starts: Start times of one sandbox in the order they were taken, seconds.
    """
    series = [one for one in batched(starts, _MOST) if len(one) == _MOST]
    if not series:
        return None
    stops = [_stop(one) for one in series]
    widths = [relative_half_width(one[:FIXED]) for one in series]
    known = [width for width in widths if width is not None]
    return Replay(
        series=len(series),
        reached=sum(stop is not None for stop in stops),
        starts=fmean(stop or _MOST for stop in stops),
        wall=fmean(
            sum(one[: stop or _MOST]) / sum(one[:FIXED])
            for one, stop in zip(series, stops, strict=True)
        ),
        fixed=FIXED,
        precision_fixed=median(known) if known else None,
    )


def _stop(one: Sequence[float]) -> int | None:
    """Return after how many starts the precision is first seen, None where it never is."""
    for count in range(_LEAST, len(one) + 1):
        width = relative_half_width(one[:count])
        if width is not None and width <= PRECISION:
            return count
    return None
