import numpy as np
import pytest

from benchmarks.stats.levels import Levels, levels, worthwhile


def test_spread_is_told_apart_on_each_level() -> None:
    rng = np.random.default_rng(5)
    host = rng.normal(0, 0.1, (200, 1))
    found = levels(np.exp(host + rng.normal(0, 0.3, (200, 15))).tolist())
    assert found is not None
    assert found.within == pytest.approx(0.3, rel=0.1)
    assert found.between == pytest.approx(0.1, rel=0.2)
    assert (found.repetitions, found.blocks) == (15, 200)


def test_one_slow_start_does_not_count() -> None:
    rng = np.random.default_rng(6)
    quiet = np.exp(rng.normal(0, 0.05, (20, 11)))
    slow = quiet.copy()
    slow[:, 3] *= 20
    a, b = levels(quiet.tolist()), levels(slow.tolist())
    assert a is not None
    assert b is not None
    assert b.within == pytest.approx(a.within, rel=0.3)


def test_few_blocks_tell_nothing() -> None:
    assert levels([[1.0, 2.0], [1.0, 2.0]]) is None
    assert levels([[1.0], [2.0], [3.0], [4.0]]) is None


def test_repetitions_are_worth_more_where_blocks_are_dear_and_starts_vary() -> None:
    even = Levels(within=0.1, between=0.1, repetitions=10, blocks=9)
    assert worthwhile(even, one_s=0.04, block_s=4.0) == pytest.approx(10)
    assert worthwhile(even, one_s=0.04, block_s=16.0) == pytest.approx(20)
    assert worthwhile(even._replace(within=0.2), one_s=0.04, block_s=4.0) == pytest.approx(20)
