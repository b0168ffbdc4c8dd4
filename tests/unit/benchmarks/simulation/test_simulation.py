"""The simulation asks the rules the reports use, and its draws have the truth they claim."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import pytest

import reports
from benchmarks.errors import RunFolderError
from benchmarks.results import runfolder
from benchmarks.simulation import __main__ as program
from benchmarks.simulation import rules
from benchmarks.simulation.coverage import coverage
from benchmarks.simulation.decisions import alarms, power
from benchmarks.simulation.noise import Noise, assumed, from_blocks, shapes
from benchmarks.simulation.observed import observe
from benchmarks.simulation.stopping import stopping
from reports.comparison.changes import Effect

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.results.runfolder import Run


@pytest.mark.parametrize("noise", [*shapes(), assumed()], ids=lambda noise: noise.name)
def test_every_noise_has_the_truth_it_is_judged_by(noise: Noise) -> None:
    drawn = noise.draw(np.random.default_rng(1), 2000, 20)
    assert np.median(drawn, axis=(0, 1)) == pytest.approx([1, 1], abs=0.02)
    assert np.median(drawn[..., 0] / drawn[..., 1]) == pytest.approx(1, abs=0.02)


def test_noise_of_a_run_keeps_its_spread_and_what_its_sandboxes_share() -> None:
    rng = np.random.default_rng(2)
    host = 0.2 * rng.standard_normal((12, 1))
    seen = 5 * np.exp(host + 0.05 * rng.standard_normal((12, 2)))
    logs = np.log(from_blocks("seen", seen).draw(rng, 2000, 10)).reshape(-1, 2)
    assert logs.std(axis=0) == pytest.approx(np.log(seen).std(axis=0), rel=0.15)
    assert np.corrcoef(logs.T)[0, 1] == pytest.approx(np.corrcoef(np.log(seen).T)[0, 1], abs=0.05)
    assert np.median(logs[:, 0] - logs[:, 1]) == pytest.approx(0, abs=0.01)


def test_ten_blocks_of_independent_noise_are_covered_as_promised() -> None:
    found = {row.n: row for row in coverage([shapes()[0]], 400, 1)}
    assert 0.92 < found[10].median < 0.99
    assert 0.92 < found[10].ratio < 0.99
    assert 0.92 < found[20].median < 0.98
    assert 0.92 < found[20].ratio < 0.98


def test_nothing_is_found_where_nothing_is_and_a_shift_where_there_is_one() -> None:
    still = Noise("1 %", lambda rng, m, n: np.exp(0.01 * rng.standard_normal((m, n, 2))))
    quiet = alarms(still, 12, 3, 50, 1)
    assert quiet.differs == (0, 0)
    assert quiet.changed == 0
    found = power(still, 12, 3, 50, 1)
    assert found.paired >= 0.95
    assert found.compared_low >= 0.8  # over native, whose own noise is in it as well
    assert found.equal == 1


def test_stopping_at_a_precision_is_shorter_than_a_hundred_repetitions() -> None:
    still = Noise("3 %", lambda rng, m, n: np.exp(0.03 * rng.standard_normal((m, n, 2))))
    found = stopping(still, 0.03, 20, 1)
    assert found.reached == 1
    assert found.wall < 0.5


def _moved(run: Run, factor: float) -> Run:
    """Return the run with every start of ``fake`` slower."""
    samples = [
        msgspec.structs.replace(s, value=s.value * factor)
        if s.sandbox == "fake" and s.metric == "startup_main_s" and s.value is not None
        else s
        for s in run.samples
    ]
    return run._replace(samples=samples)


@pytest.mark.parametrize("factor", [1.0, 1.02, 1.1, 1.6, 0.5])
def test_a_comparison_decides_as_the_simulated_rule_does(fake_run: Path, factor: float) -> None:
    base = runfolder.load(fake_run)
    new = _moved(base, factor)
    found = reports.compare(base, new)
    judged = [one for one in found.changes if one.p is not None]

    def values(run: Run, sandbox: str, workload: str, metric: str) -> list[float]:
        key = (sandbox, workload, metric)
        return [
            s.value
            for s in run.samples
            if (s.sandbox, s.workload, s.metric) == key and s.value is not None
        ]

    runs = [
        (values(base, *key), values(new, *key))
        for key in ((one.sandbox, one.workload, one.metric) for one in judged)
    ]
    decided = [
        0
        if one.effect not in {Effect.WORSE, Effect.BETTER}
        else 1
        if (one.ratio is not None and (one.ratio.estimate or 0) > 1)
        else -1
        for one in judged
    ]
    assert judged
    assert rules.changed(runs) == decided


def test_a_run_without_the_pair_tells_no_noise(fake_run: Path) -> None:
    with pytest.raises(RunFolderError, match="container and native"):
        observe(fake_run)


def test_the_program_prints_tables_and_names_what_it_does_not_know(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["simulation", "--campaigns", "20", "alarms"])
    assert program.main() == 0
    assert "| noise | n |" in capsys.readouterr().out
    monkeypatch.setattr(sys, "argv", ["simulation", "alarm"])
    with pytest.raises(SystemExit) as end:
        program.main()
    assert end.value.code == 2
    assert "coverage, alarms" in capsys.readouterr().err
