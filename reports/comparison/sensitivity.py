"""Say what a comparison could have found, before what it found."""

import math
from collections.abc import Sequence

from benchmarks.stats import estimators, rank_sum, rounds
from reports.comparison.changes import Change, Effect
from reports.model.records import Estimate
from reports.renderers import units


def detectable(ratio: Estimate, judged: int) -> float | None:
    """Return the smallest ratio above 1 that would have been called a change.

    What an observed ratio has to be before its p-value passes the level that is left after the
    correction, by the width of the interval there is. None where there is no interval.

    Args:
        ratio: New over base, with its 95 % interval.
        judged: How many headlines share the level.
    """
    if not ratio.low or not ratio.high:
        return None
    from scipy.special import ndtri

    level = estimators.REGRESSION_ALPHA / max(judged, 1)
    half = math.log(ratio.high / ratio.low) / 2
    return math.exp(half * float(ndtri(1 - level / 2) / ndtri((1 + ratio.confidence) / 2)))


def too_few(sizes: Sequence[tuple[int, int]]) -> int | None:
    """Return how many values a side would do where no p-value can pass; None where some can.

    Args:
        sizes: Values of the base and of the new run, for each headline judged.
    """
    if not sizes:
        return None
    level = estimators.REGRESSION_ALPHA / len(sizes)
    if any(rank_sum.smallest(*both) <= level for both in sizes):
        return None
    wanted = 1
    while rank_sum.smallest(wanted, wanted) > level:
        wanted += 1
    return wanted


def blindness(
    changes: Sequence[Change], threshold: float, *, paired: bool = False
) -> tuple[str, bool]:
    """Say what could not have been detected, and whether that is all there was to judge.

    Args:
        changes: What was judged, decided.
        threshold: The change asked for.
        paired: Whether the values are rounds of two versions, and not two runs' blocks.
    """
    judged = [one for one in changes if one.p is not None]
    if not judged:
        return "", False
    asked = units.percent(threshold)
    if paired:
        few, what = max(one.ratio.n for one in judged if one.ratio), "rounds"
        least_rounds = rounds.fewest(len(judged))
        wanted = least_rounds if few < least_rounds else None
    else:
        few, what = min(min(one.base.n, one.new.n) for one in judged), "blocks"
        wanted = too_few([(one.base.n, one.new.n) for one in judged])
    if wanted is not None:
        return (
            f"This comparison could not have found any change: with {few} {what} and "
            f"{len(judged)} headline{'s' if len(judged) > 1 else ''} no p-value can be small "
            f"enough; {wanted} {what} would do."
        ), True
    decided = {Effect.WORSE, Effect.BETTER, Effect.EQUAL}
    blind = [
        one
        for one in judged
        if one.effect not in decided and (one.detectable or math.inf) > 1 + threshold
    ]
    if not blind:
        return "", False
    least = min(one.detectable or math.inf for one in blind)
    of_all = len(blind) == len(judged)
    from_on = f"; {units.percent(least - 1)} was the least it could" if least < math.inf else ""
    which = "any headline" if of_all else f"{len(blind)} of {len(judged)} headlines"
    return f"This comparison could not have found a change of {asked} in {which}{from_on}.", of_all
