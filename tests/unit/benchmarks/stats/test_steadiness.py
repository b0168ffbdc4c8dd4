"""A change of level and two modes are found where they are, and seldom where there is neither."""

from __future__ import annotations

import random

import pytest

from benchmarks.stats import steadiness


def drawn(seed: int, n: int) -> list[float]:
    rng = random.Random(seed)
    return [0.01 * rng.lognormvariate(0, 0.05) for _ in range(n)]


@pytest.mark.parametrize("at", [5, 10, 15])
def test_a_hog_from_some_block_on_is_found_there(at: int) -> None:
    values = [one * (1 if place < at else 1.8) for place, one in enumerate(drawn(1, 20))]
    change = steadiness.change(values)
    assert change is not None
    assert change.at == at
    assert change.after / change.before == pytest.approx(1.8, rel=0.1)


def test_values_of_one_kind_seldom_look_like_two() -> None:
    found = [steadiness.change(drawn(seed, 30)) for seed in range(100)]
    assert sum(one is not None for one in found) <= 4
    assert not any(steadiness.modes(drawn(seed, 30)) for seed in range(100))
    uniform = random.Random(3)
    assert steadiness.modes([uniform.uniform(1, 9) for _ in range(40)]) is None


def test_an_outlier_and_a_small_shift_are_no_change() -> None:
    values = drawn(2, 20)
    assert steadiness.change([*values[:-1], 1.0]) is None
    assert steadiness.change([1.0, *values]) is None
    assert steadiness.change([1.0] * 10 + [1.01] * 10) is None


def test_two_modes_that_alternate_are_told_with_their_levels() -> None:
    values = [one * (1 if place % 3 else 2) for place, one in enumerate(drawn(4, 30))]
    modes = steadiness.modes(values)
    assert modes is not None
    assert modes.low == pytest.approx(0.01, rel=0.1)
    assert modes.high == pytest.approx(0.02, rel=0.1)
    assert modes.share == pytest.approx(1 / 3)
    assert steadiness.change(values) is None


@pytest.mark.parametrize("values", [[], [1.0] * 9, [1.0] * 40, [0.0] * 40, [float("nan")] * 20])
def test_too_few_equal_or_missing_values_say_nothing(values: list[float]) -> None:
    assert steadiness.change(values) is None
    assert steadiness.modes(values) is None
