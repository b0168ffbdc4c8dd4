from itertools import pairwise

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.stats import quantile_test

from benchmarks.stats import estimators
from benchmarks.stats.dependence import dependence

positive = st.floats(min_value=1e-6, max_value=1e6)
samples = st.lists(positive, min_size=6, max_size=60)
blocks = st.lists(st.tuples(positive, positive), min_size=6, max_size=25)
p_values = st.lists(st.floats(min_value=0, max_value=1), max_size=12)


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5])
def test_too_few_values_have_a_median_but_no_interval(n: int) -> None:
    found = estimators.interval([float(i) for i in range(1, n + 1)])
    assert found.estimate == (n + 1) / 2
    assert (found.low, found.high) == (None, None)
    assert not found.known


def test_no_values_have_nothing() -> None:
    assert estimators.interval([]) == (None, None, None, 0, 0.95, False)
    assert estimators.ratio([]).estimate is None


@pytest.mark.parametrize(("confidence", "n"), [(0.9, 5), (0.95, 6), (0.99, 8)])
def test_fewest_is_where_intervals_begin(confidence: float, n: int) -> None:
    assert estimators.fewest(confidence) == n
    values = [float(i) for i in range(n)]
    assert estimators.interval(values, confidence).known
    assert not estimators.interval(values[1:], confidence).known


@given(samples)
def test_the_interval_of_what_never_repeats_itself_lies_within_scipys_exact_one(
    values: list[float],
) -> None:
    ordered = sorted(values)
    swinging = [ordered[i // 2] if i % 2 else ordered[-1 - i // 2] for i in range(len(values))]
    assume(dependence(swinging) == 1.0)
    found = estimators.interval(swinging)
    exact = quantile_test(values, q=1.0, p=0.5).confidence_interval(0.95)
    assert exact.low <= found.low <= found.estimate <= found.high <= exact.high


def test_the_interval_is_hettmanspergers_and_sheathers() -> None:
    # n = 10: gamma_2 = 0.9785, gamma_3 = 0.8906, I = 0.3247, lambda = 0.6580, by hand
    found = estimators.interval([10.0, 1.0, 9.0, 2.0, 8.0, 3.0, 7.0, 4.0, 6.0, 5.0])
    assert found.low == pytest.approx(2.658, abs=1e-3)
    assert found.high == pytest.approx(8.342, abs=1e-3)


def test_a_drifting_host_widens_the_interval_and_makes_it_unsure() -> None:
    rng = np.random.default_rng(3)
    values = rng.normal(10, 1, 30)
    steady = estimators.interval(values.tolist())
    drifting = estimators.interval(sorted(values.tolist()))
    assert drifting.estimate == steady.estimate
    assert drifting.high - drifting.low > 1.5 * (steady.high - steady.low)
    assert (steady.unsure, drifting.unsure) == (False, True)
    pairs = [(value, 1.0) for value in values]
    assert estimators.p_above(sorted(pairs), 9.5) > 2 * estimators.p_above(pairs, 9.5)
    assert dependence([1.0] * 9) == dependence([1.0]) == 1.0


def test_white_noise_over_a_slow_drift_does_not_hide_it() -> None:
    rng = np.random.default_rng(4)
    drift = np.zeros(400)
    for place in range(1, 400):
        drift[place] = 0.8 * drift[place - 1] + 0.6 * rng.standard_normal()
    pairs = [(float(np.exp(one)), 1.0) for one in drift + rng.standard_normal(400)]
    found, shuffled = (estimators.ratio(one) for one in (pairs, rng.permutation(pairs)))
    assert found.known
    # the variance of the mean is five times that of independent values
    assert np.log(found.high / found.low) > 1.7 * np.log(shuffled.high / shuffled.low)


def test_the_ratio_is_hodges_and_lehmanns() -> None:
    # Hollander, Wolfe and Chicken, example 3.1: estimate -0.46, 96 % interval (-0.786, -0.01)
    change = [-0.952, 0.147, -1.022, -0.430, -0.620, -0.590, -0.490, 0.080, -0.010]
    found = estimators.ratio([(float(np.exp(one)), 1.0) for one in change], 0.96)
    assert np.log(found.estimate) == pytest.approx(-0.46, abs=1e-3)
    assert np.log([found.low, found.high]) == pytest.approx([-0.786, -0.010], abs=1e-3)
    assert estimators.p_below([(float(np.exp(one)), 1.0) for one in change], 1) == pytest.approx(
        0.0195, abs=1e-4
    )


@given(samples, st.floats(min_value=1e-3, max_value=1e3))
def test_the_interval_follows_the_unit(values: list[float], factor: float) -> None:
    seconds = estimators.interval(values)
    scaled = estimators.interval([value * factor for value in values])
    assert scaled.low == pytest.approx(seconds.low * factor)
    assert scaled.high == pytest.approx(seconds.high * factor)


def test_the_interval_covers_as_often_as_it_says() -> None:
    rng = np.random.default_rng(7)
    covered = 0
    for _ in range(400):
        found = estimators.interval(rng.lognormal(0, 0.5, 9).tolist())
        covered += found.low <= 1 <= found.high
    assert covered / 400 > 0.93


def test_half_width_is_relative_and_unknown_for_few() -> None:
    assert estimators.relative_half_width([9.0, 11, 10, 10, 10, 10]) == pytest.approx(
        0.064, abs=1e-3
    )
    assert estimators.relative_half_width([10.0] * 5) is None
    assert estimators.relative_half_width([0.0] * 9) is None


@settings(max_examples=25)
@given(blocks)
def test_a_ratio_brackets_its_estimate_and_repeats(
    pairs: list[tuple[float, float]],
) -> None:
    found = estimators.ratio(pairs)
    assert found.low <= found.estimate * (1 + 1e-9)
    assert found.estimate <= found.high * (1 + 1e-9)
    assert found == estimators.ratio(pairs)


def test_pairing_removes_what_both_sandboxes_of_a_block_share() -> None:
    rng = np.random.default_rng(5)
    disturbed = rng.lognormal(0, 1, 12)
    paired = [(2 * value, value) for value in disturbed]
    found = estimators.ratio(paired)
    assert found.low == pytest.approx(2)
    assert found.high == pytest.approx(2)
    apart = estimators.unpaired_ratio(disturbed.tolist(), (2 * disturbed).tolist(), seed=1)
    assert apart.low < 1.5


def test_a_ratio_to_nothing_is_unknown_not_infinite() -> None:
    assert estimators.ratio([(1.0, 0.0)] * 8).estimate is None
    found = estimators.ratio([(1.0, 0.0)] * 3 + [(1.0, 1.0)] * 4)
    assert found.estimate == 1
    assert not found.known


def test_five_blocks_never_reach_what_six_do() -> None:
    assert estimators.p_above([(3.0, 1.0)] * 5, 2) == pytest.approx(1 / 32)
    assert estimators.p_above([(3.0, 1.0)] * 6, 2) == pytest.approx(1 / 64)
    assert not estimators.ratio([(3.0, 1.0)] * 5).known


@given(blocks)
def test_it_does_not_matter_which_is_the_numerator(pairs: list[tuple[float, float]]) -> None:
    there = estimators.ratio(pairs)
    back = estimators.ratio([(below, above) for above, below in pairs])
    assert there.low == pytest.approx(1 / back.high)
    assert there.estimate == pytest.approx(1 / back.estimate)


@given(blocks, st.floats(min_value=0.1, max_value=10))
def test_a_ratio_cannot_be_typically_above_and_below_the_same_bound(
    pairs: list[tuple[float, float]], bound: float
) -> None:
    both = estimators.p_above(pairs, bound) + estimators.p_below(pairs, bound)
    assert both > 1 - 1e-9


def test_equal_things_are_equivalent_and_the_numerator_does_not_matter() -> None:
    rng = np.random.default_rng(2)
    pairs = [(float(a), float(b)) for a, b in rng.normal(100, 0.5, (12, 2))]
    there = estimators.equivalence(pairs, 0.05)
    back = estimators.equivalence([(b, a) for a, b in pairs], 0.05)
    assert there.inside
    assert back.inside
    assert there.p < 0.01


def test_a_difference_of_the_margins_size_is_not_equivalent() -> None:
    rng = np.random.default_rng(2)
    pairs = [(float(a) * 1.05, float(b)) for a, b in rng.normal(100, 0.5, (12, 2))]
    assert not estimators.equivalence(pairs, 0.05).inside


def test_ignorance_is_not_equivalence() -> None:
    pairs = [(1.0, 1.0), (2.0, 1.0), (1.0, 2.0), (1.5, 1.0), (1.0, 1.5), (1.0, 1.0), (3.0, 1.0)]
    assert not estimators.equivalence(pairs, 0.05).inside
    assert not estimators.equivalence([(1.0, 1.0)] * 4, 0.05).inside


@given(p_values)
def test_holm_only_raises_and_keeps_the_order(values: list[float]) -> None:
    adjusted = estimators.holm(values)
    assert all(new >= old for new, old in zip(adjusted, values, strict=True))
    assert all(p <= 1 for p in adjusted)
    by_p = [new for _, new in sorted(zip(values, adjusted, strict=True))]
    assert all(a <= b for a, b in pairwise(by_p))


def test_holms_own_numbers() -> None:
    assert estimators.holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])


def test_shift_tells_apart_what_is_apart() -> None:
    low, high = [1.2, 1.0, 1.4, 1.1, 1.3], [2.2, 2.0, 2.4, 2.1, 2.3]
    assert estimators.shift(low, high) == pytest.approx(2 / 252)
    assert estimators.shift(low, low) > 0.9
    assert estimators.shift([], high) == 1


def test_a_drifting_host_shifts_less_surely() -> None:
    rng = np.random.default_rng(8)
    base, new = rng.normal(10, 1, 12).tolist(), rng.normal(11, 1, 12).tolist()
    steady = estimators.shift(base, new)
    drifting = estimators.shift(sorted(base), sorted(new))
    assert steady < drifting < 1
    apart = estimators.unpaired_ratio(base, new, seed=1)
    unsure = estimators.unpaired_ratio(sorted(base), sorted(new), seed=1)
    assert unsure.high / unsure.low > apart.high / apart.low


def test_a_big_run_takes_no_time() -> None:
    rng = np.random.default_rng(0)
    pairs = [(float(a), float(b)) for a, b in rng.lognormal(size=(20_000, 2))]
    assert estimators.ratio(pairs).known
    assert estimators.interval([a for a, _ in pairs]).known


def test_few_values_that_resemble_each_other_leave_their_range_and_never_sink_below_zero() -> None:
    rising = [1.0, 1.1, 1.3, 1.4, 1.6, 1.7, 1.9]
    found = estimators.interval(rising)
    assert found.low < 1.0
    assert found.high > 1.9
    steep = estimators.interval([0.01, 0.02, 0.03, 4.0, 5.0, 6.0, 7.0])
    assert steep.low == 0
    shuffled = estimators.interval([1.4, 1.7, 1.0, 1.9, 1.1, 1.6, 1.3])
    assert shuffled.low >= 1.0
    assert shuffled.high <= 1.9
