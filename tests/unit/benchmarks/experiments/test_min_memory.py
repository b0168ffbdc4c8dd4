"""The smallest memory, on the fake sandbox."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.errors import MeasurementError
from benchmarks.experiments import min_memory
from benchmarks.results import runfolder
from tests.unit.conftest import fake_campaign

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.conftest import Measure


@given(st.integers(1, 1 << 30), st.integers(16, 4096), st.sampled_from([64 << 10, 1 << 20]))
def test_bisection_finds_the_edge_within_a_step(least: int, most_mib: int, step: int) -> None:
    tried = []

    def works(size: int) -> str | None:
        tried.append(size)
        return None if size >= least else "too little"

    most = most_mib << 20
    if least > most:
        with pytest.raises(MeasurementError, match="does not work with the campaign's"):
            min_memory.bisect(works, most, step)
        return
    found = min_memory.bisect(works, most, step)
    assert found.fails_bytes < least <= found.runs_bytes
    assert found.runs_bytes - found.fails_bytes <= max(step, found.runs_bytes // 16)
    assert all(size % step == 0 for size in tried)
    assert len(tried) <= 20


def test_the_smallest_memory_is_looked_for_once(tmp_path: Path, measure: Measure) -> None:
    plan = fake_campaign(
        sandboxes=("fake",), workloads=("startup", "smallest", "sysbench-cpu"), memory_mib=512
    )
    measure(tmp_path / "run", plan)
    samples = runfolder.load(tmp_path / "run").samples
    (found,) = [sample for sample in samples if sample.workload == "smallest"]
    assert found.value == 20 << 20  # what the fake needs
    assert "tried: start, /usr/bin/sysbench" in (found.detail or "")
