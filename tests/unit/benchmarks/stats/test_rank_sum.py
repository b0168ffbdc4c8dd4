"""The exact rank-sum test with ties, against every way to deal the values out."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import mannwhitneyu, rankdata

from benchmarks.stats import rank_sum

SIDE = st.lists(st.integers(0, 3), min_size=1, max_size=5)


@given(SIDE, SIDE)
def test_it_counts_every_way_there_is(base: list[int], new: list[int]) -> None:
    ranks = rankdata([*base, *new])
    sums = [sum(some) for some in itertools.combinations(ranks, len(base))]
    seen = sum(ranks[: len(base)])
    below = sum(one <= seen + 1e-9 for one in sums) / len(sums)
    above = sum(one >= seen - 1e-9 for one in sums) / len(sums)
    expected = min(1, 2 * min(below, above))
    assert rank_sum.exact(base, new) == pytest.approx(expected)


def test_without_ties_it_is_mann_and_whitneys() -> None:
    base, new = [1.0, 4.0, 5.5, 9.0, 2.5], [3.0, 8.0, 11.0, 12.0, 6.0, 7.0]
    expected = mannwhitneyu(base, new, method="exact").pvalue
    assert rank_sum.exact(base, new) == pytest.approx(expected)


def test_no_resampling_bounds_it_from_below() -> None:
    tied = rank_sum.exact([1.0, 1.0, 2.0] * 8, [2.5, 2.5, 3.0] * 8)
    assert tied == pytest.approx(rank_sum.smallest(24, 24), rel=1e-6)
    assert tied < 1e-12
