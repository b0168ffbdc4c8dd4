"""The executor's reader of requests, below sanitizers, on requests that nobody would write."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.framework import fuzzed_plans

if TYPE_CHECKING:
    from pathlib import Path


def test_no_request_makes_the_executor_read_beyond_it(tmp_path: Path) -> None:
    program = fuzzed_plans.build(tmp_path)
    if program is None:
        pytest.skip("this host's compiler has no address sanitizer")
    status, said = fuzzed_plans.run(program, fuzzed_plans.seeds(tmp_path / "seeds"), 1, 5000)
    assert status == 0, said
