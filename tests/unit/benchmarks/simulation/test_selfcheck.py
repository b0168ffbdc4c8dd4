"""``tare selfcheck`` and what it is made of."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest

from benchmarks.simulation import aa
from benchmarks.simulation.replay import replay
from benchmarks.stats.warmup import warm_up
from tare import cli

if TYPE_CHECKING:
    from pathlib import Path


def test_a_fake_compared_with_itself_keeps_its_promises(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("tare.measure.state_folder", lambda: tmp_path / "state")
    with pytest.raises(SystemExit) as end:
        cli.main(["selfcheck", "-s", "fake", "--starts", "240", "--blocks", "6", "--json"])
    assert end.value.code == 0
    found = json.loads(capsys.readouterr().out)
    assert found["starts"] == 240
    assert found["false_positives"]["interval"]["of"] == 20
    assert found["false_positives"]["compare"]["of"] == 20
    assert found["false_positives"]["claim"]["count"] == 0
    assert found["stopping"]["series"] == 1
    assert 10 <= found["stopping"]["starts"] <= 200
    assert not any(rate["broken"] for rate in found["false_positives"].values())


def test_too_few_starts_are_refused(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("tare.measure.state_folder", lambda: tmp_path / "state")
    with pytest.raises(SystemExit) as end:
        cli.main(["selfcheck", "-s", "fake", "--starts", "19"])
    assert end.value.code == 4
    assert "needs 20" in capsys.readouterr().err


def test_a_host_that_changes_its_pace_breaks_the_promise_of_a_comparison() -> None:
    rng = np.random.default_rng(1)
    pace = np.where(np.arange(1200) // 10 % 2, 1.0, 1.3)
    found = aa.judge((pace * rng.lognormal(0, 0.02, 1200)).tolist(), 10, 1)
    assert found.compare.broken
    assert not found.claim.broken  # pairs stay within one pace


def test_stopping_early_takes_half_of_a_hundred_and_noise_takes_all() -> None:
    rng = np.random.default_rng(3)
    steady = replay(rng.lognormal(0, 0.04, 800).tolist())
    assert steady is not None
    assert (steady.series, steady.reached) == (4, 4)
    assert steady.wall < 0.5
    wild = replay(rng.lognormal(0, 0.5, 400).tolist())
    assert wild is not None
    assert (wild.reached, wild.starts) == (0, 200)
    assert replay([1.0] * 199) is None


def test_a_warm_up_is_found_and_noise_is_none() -> None:
    rng = np.random.default_rng(4)
    assert warm_up([*rng.normal(14, 0.5, 5), *rng.normal(10, 0.5, 25)]) == pytest.approx(5, abs=1)
    assert warm_up([99.0, *rng.normal(10, 0.5, 25)]) == 0
    assert warm_up([3.0, 2.0, 1.0]) == 0
    alarms = sum(warm_up(rng.normal(10, 1, 30).tolist()) > 0 for _ in range(400))
    assert alarms <= 0.05 * 400


def test_drift_far_on_is_no_warm_up() -> None:
    rng = np.random.default_rng(5)
    assert warm_up([*rng.normal(10, 0.5, 60), *rng.normal(14, 0.5, 60)]) == 0
