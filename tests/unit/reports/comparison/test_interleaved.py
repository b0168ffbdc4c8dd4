"""Two versions measured in turns, from their run folders to what is said of them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

import reports
from reports.comparison.changes import Change, Comparison, Effect
from tare.commands.compare import ended

if TYPE_CHECKING:
    from benchmarks.results.runfolder import Run
    from tests.unit.reports.conftest import Synthetic


@pytest.fixture
def few(synthetic: Synthetic) -> Synthetic:
    return replace(synthetic, blocks=3, sandboxes=("container",), rates={}, leaks={}, controls={})


def slower(synthetic: Synthetic, factor: float) -> Synthetic:
    steps = {step: factor * value for step, value in synthetic.starts["container"].items()}
    return replace(synthetic, starts={**synthetic.starts, "container": steps})


def turns(synthetic: Synthetic, rounds: int, first: int) -> list[Run]:
    return [replace(synthetic, seed=first + number).build() for number in range(rounds)]


def judged(base: list[Run], new: list[Run]) -> Comparison:
    return reports.compare_rounds(base, new, ("one", "two"), 0.05)


def start(found: Comparison) -> Change:
    return next(one for one in found.changes if one.workload == "startup")


@pytest.mark.parametrize(
    ("factor", "effect", "code"),
    [(1.05, Effect.WORSE, 3), (1.0, Effect.EQUAL, 0), (0.95, Effect.BETTER, 0)],
)
def test_a_change_of_five_percent_is_found_and_none_where_there_is_none(
    few: Synthetic, factor: float, effect: Effect, code: int
) -> None:
    found = judged(turns(few, 12, 100), turns(slower(few, factor), 12, 200))
    assert start(found).effect is effect
    assert ended(found, allow_inconclusive=False) == code


def test_too_few_rounds_say_so_first_and_are_no_pass(few: Synthetic) -> None:
    found = judged(turns(few, 4, 100), turns(slower(few, 2), 4, 200))
    shown = reports.render_comparison(found, "text")
    assert shown.startswith("This comparison could not have found any change: with 4 rounds")
    assert ended(found, allow_inconclusive=True) == 5


def test_a_version_that_fails_is_worse_and_not_left_out(few: Synthetic) -> None:
    broken = replace(few, failing={("container", "startup_main_s"): {0, 1, 2}})
    new = [*turns(few, 2, 200), *turns(broken, 10, 300)]
    found = judged(turns(few, 12, 100), new)
    assert start(found).effect is Effect.WORSE
