"""The variance between runs, from run folders whose truth is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.results.records import Sample, Status, Unit
from benchmarks.results.runfolder import Run
from benchmarks.simulation.between import between


def run(medians: tuple[float, float], rng: np.random.Generator, blocks: int = 40) -> Run:
    samples = []
    for block in range(blocks):
        host = np.exp(0.1 * rng.standard_normal())
        for name, level in zip(("native", "container"), medians, strict=True):
            samples.append(
                Sample(
                    run="r",
                    block=block,
                    sandbox=name,
                    workload="startup",
                    metric="startup_main_s",
                    unit=Unit.SECONDS,
                    status=Status.OK,
                    started_at=0.0,
                    value=float(level * host * np.exp(0.02 * rng.standard_normal())),
                )
            )
    return Run(Path("r"), None, samples, [], 0)  # type: ignore[arg-type]


def test_what_differs_from_run_to_run_is_told_from_what_differs_within() -> None:
    rng = np.random.default_rng(1)
    levels = np.exp(0.05 * rng.standard_normal(40))
    found = {one.figure: one for one in between([run((1.0, 2.0 * x), rng) for x in levels])}
    assert found["native: start"].within == pytest.approx(0.10, rel=0.15)
    assert found["native: start"].between < 0.02
    assert found["container / native: start"].within == pytest.approx(0.028, rel=0.15)
    assert found["container / native: start"].between == pytest.approx(0.05, rel=0.25)
    assert found["container: start"].runs == 40
