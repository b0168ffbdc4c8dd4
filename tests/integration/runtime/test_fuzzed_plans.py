"""The executor's reader of requests, below sanitizers, on requests that nobody would write."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.framework import fuzzed_plans, fuzzing

if TYPE_CHECKING:
    from pathlib import Path


def test_no_fuzzed_request_makes_the_executor_read_beyond_it(tmp_path: Path) -> None:
    program = fuzzed_plans.build(tmp_path)
    if program is None:
        pytest.skip("this host's compiler has no address sanitizer")
    seeds = fuzzed_plans.seeds(tmp_path / "seeds")
    status, said = fuzzed_plans.run(program, seeds, fuzzing.seed(), fuzzing.examples(5000))
    assert status == 0, f"{said}; the request is in {program.parent}/fuzzed_plans.last"
