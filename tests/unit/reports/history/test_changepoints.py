"""Where a series changes: what is planted is found, what is not there is not."""

from __future__ import annotations

import numpy as np
import pytest

from reports.history import changepoints, latest


def _noise(n: int, seed: int = 1, sigma: float = 0.01) -> np.ndarray:
    return np.random.default_rng(seed).normal(0.0, sigma, n)


def test_a_planted_change_is_found_where_it_is_with_its_size() -> None:
    values = _noise(60)
    values[37:] += 0.05
    (found,) = changepoints.find([values])[0]
    assert found.low <= 37 <= found.high
    assert found.high - found.low <= 4
    assert found.shift.low < 0.05 < found.shift.high
    assert (found.before, found.after) == (found.at, 60 - found.at)


def test_changes_of_a_long_series_are_found_across_windows() -> None:
    values = _noise(400)
    values[103:260] += 0.04
    values[260:] -= 0.03
    found = changepoints.find([values])[0]
    assert [one.at for one in found] == pytest.approx([103, 260], abs=1)


def test_noise_has_no_change_and_the_same_values_give_the_same() -> None:
    quiet = [_noise(200, seed) for seed in range(60)]
    found = changepoints.find(quiet)
    assert sum(map(len, found)) <= 1
    assert changepoints.find(quiet) == found


def test_one_outlier_is_no_change() -> None:
    values = _noise(60)
    values[30] += 0.5
    assert changepoints.find([values])[0] == []


def test_one_outlier_hides_no_change() -> None:
    values = _noise(60)
    values[15:] -= 0.12
    values[10] -= 0.5
    (found,) = changepoints.find([values])[0]
    assert found.at == pytest.approx(15, abs=1)


def test_too_few_values_have_no_change() -> None:
    values = np.array([0.0] * 5 + [1.0] * 4)
    assert changepoints.find([values])[0] == []
    assert latest.latest(values) is None
    assert latest.drift(values) is None


def test_equal_values_do_not_change_and_a_step_of_them_does() -> None:
    assert changepoints.find([np.zeros(50)])[0] == []
    assert latest.latest(np.zeros(50)).p == 1.0  # type: ignore[union-attr]
    (found,) = changepoints.find([np.repeat([0.0, 0.1], 25)])[0]
    assert found.at == 25


def test_the_place_lies_within_its_interval_as_often_as_promised() -> None:
    hits, within = 0, 0
    for seed in range(200):
        values = _noise(60, seed, 0.02)
        values[37:] += 0.04
        found = changepoints.find([values])[0]
        if len(found) == 1:
            hits += 1
            within += found[0].low <= 37 <= found[0].high
    assert hits >= 190
    assert within >= 0.9 * hits


def test_the_last_runs_are_told_from_their_window() -> None:
    values = _noise(40)
    assert latest.latest(values).p > 0.01  # type: ignore[union-attr]
    values[-2:] += 0.06
    found = latest.latest(values)
    assert found is not None
    assert (found.p < 1e-4, found.runs) == (True, 2)
    assert found.shift.estimate == pytest.approx(0.06, abs=0.02)


def test_one_run_alone_has_to_be_three_times_as_far_out() -> None:
    for far, alarmed in ((0.04, False), (0.2, True)):
        values = _noise(40)
        values[-1] = far
        found = latest.latest(values)
        assert found is not None
        assert (found.p < 1e-4) is alarmed


def test_a_slow_drift_is_seen_with_its_size() -> None:
    values = _noise(60) + np.linspace(0.0, 0.03, 60)
    found = latest.drift(values)
    assert found is not None
    assert found.p < 1e-4
    assert found.low < 0.03 < found.high
    still = latest.drift(_noise(60))
    assert still is not None
    assert still.p > 0.01
