"""Who follows whom, on courses that are made up."""

from __future__ import annotations

import math

import pytest

from benchmarks.experiments.sweep.stimuli import Course, entropy_bits, movements, response, stimuli

TIMES = (0.0, 0.2, 0.4, 0.6, 0.8)


def course(*texts: object) -> Course:
    return Course(tuple(str(text) for text in texts), TIMES)


def test_a_gauge_and_a_counter_move_and_a_constant_does_not() -> None:
    gauge, counter = course(5, 5, 65, 5, 65), course(100, 100, 160, 160, 220)
    assert movements(gauge, 30) == {1: 60.0}
    assert movements(counter, 30) == {1: 60.0}
    assert movements(course(7, 7, 7, 7, 7), 30) == {}


def test_drift_is_no_answer() -> None:
    assert movements(course(0, 100, 200, 300, 400), 30) == {}


def test_one_jump_of_two_is_an_accident() -> None:
    assert movements(course(5, 5, 65, 65, 65), 30) == {}
    assert movements(course(5, 5, 65, 5, 900), 30) == {}


def test_a_list_that_grows_counts_by_its_lines() -> None:
    some = "a 1\nb 2\n"
    held = some + "c 3\n" * 60
    assert movements(course(some, some, held, some, held), 30) == {0: 60.0}


def test_a_sandbox_follows_stays_still_or_reads_another_shape() -> None:
    host = course(5, 5, 65, 5, 65)
    follows = response("lock", host, course(9, 9, 68, 9, 70), 30)
    still = response("lock", host, course(9, 9, 9, 9, 10), 30)
    other = response("lock", host, course("9 9", "9 9", "9 9", "9 9", "9 9"), 30)
    between = response("lock", host, course(9, 9, 30, 9, 30), 30)
    assert follows is not None
    assert follows.follows
    assert not follows.still
    assert still is not None
    assert (still.follows, still.still) == (False, True)
    assert other is not None
    assert (other.follows, other.still) == (False, True)
    assert between is not None
    assert (between.follows, between.still) == (False, False)
    assert response("lock", course(5, 5, 5, 5, 5), host, 30) is None


def test_bits_of_what_one_reading_tells() -> None:
    assert entropy_bits(["a 1", "a 1"]) == 0
    assert entropy_bits(["a 1", "a 2"]) == pytest.approx(1)
    assert entropy_bits([f"{n} {2 * n}" for n in range(8)]) == pytest.approx(2 * math.log2(8))
    assert entropy_bits(["x", "1 2"]) == pytest.approx(1)


def test_amounts_are_drawn_anew_and_stay_within_their_bounds() -> None:
    drawn = {stimuli() for _ in range(20)}
    assert len(drawn) > 1
    for every in drawn:
        amounts = {one.act: one.amount for one in every}
        assert 64 <= amounts["allocate"] <= 96
        assert amounts["lock"] <= 120
        assert amounts["fork"] <= 70
        assert amounts["open"] <= 300
