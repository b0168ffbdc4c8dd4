"""Versions measured in turns: the exact test, its interval and the decision."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import wilcoxon

from benchmarks.simulation.noise import assumed
from benchmarks.simulation.turns import turns
from benchmarks.stats import rounds

RATIOS = st.lists(st.sampled_from([0.5, 0.8, 1.0, 1.25, 2.0]), min_size=1, max_size=7)


@given(RATIOS)
def test_the_p_value_counts_every_way_the_coin_could_have_fallen(ratios: list[float]) -> None:
    logs = [float(np.log(one)) for one in ratios if one != 1.0]
    sizes = sorted({round(abs(one), 9) for one in logs})
    ranks = []
    for one in logs:
        below = sum(round(abs(other), 9) < round(abs(one), 9) for other in logs)
        same = sum(round(abs(other), 9) == round(abs(one), 9) for other in logs)
        ranks.append(below + (same + 1) / 2)
    assert len(sizes) <= 2
    seen = sum(rank for rank, one in zip(ranks, logs, strict=True) if one > 0)
    sums = [
        sum(rank for rank, up in zip(ranks, signs, strict=True) if up)
        for signs in itertools.product([False, True], repeat=len(ranks))
    ]
    low, high = (sum(one <= seen for one in sums), sum(one >= seen for one in sums))
    assert rounds.p_value(ratios) == pytest.approx(min(1, 2 * min(low, high) / len(sums)))


def test_without_ties_it_is_wilcoxons() -> None:
    ratios = np.exp(np.random.default_rng(1).normal(0.02, 0.05, 15))
    expected = wilcoxon(np.log(ratios), method="exact").pvalue
    assert rounds.p_value(ratios.tolist()) == pytest.approx(expected)


def test_the_interval_covers_as_it_promises_and_is_none_where_it_cannot() -> None:
    rng = np.random.default_rng(2)
    found = [rounds.effect(np.exp(0.1 * rng.standard_normal(12)).tolist()) for _ in range(600)]
    covered = np.mean([(one.low or 9) <= 1 <= (one.high or 0) for one in found])
    assert 0.93 < covered < 0.98
    assert rounds.effect([1.1] * 5).low is None
    assert rounds.effect([1.1] * 6).low == pytest.approx(1.1)


def test_as_many_rounds_as_it_asks_for_can_show_a_change_and_fewer_cannot() -> None:
    fewest = rounds.fewest(1)
    steady = [1.2 + 0.001 * number for number in range(fewest)]
    assert rounds.decide(steady, rounds.p_value(steady)) == 1
    assert rounds.decide(steady[1:], rounds.p_value(steady[1:])) is None


def test_a_shift_is_found_and_nothing_is_found_in_nothing() -> None:
    found = turns(assumed(), 30, 1, 120, 1)
    assert found.found >= 0.95
    assert found.alarms <= 0.02
    assert found.equal >= 0.95
    assert found.one_run > 0.03
