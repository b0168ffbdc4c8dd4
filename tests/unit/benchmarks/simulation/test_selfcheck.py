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


def test_a_few_starts_of_a_fake_cannot_tell_whether_it_keeps_its_promises(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("tare.measure.state_folder", lambda: tmp_path / "state")
    with pytest.raises(SystemExit) as end:
        cli.main(["selfcheck", "-s", "fake", "--starts", "240", "--blocks", "6", "--json"])
    assert end.value.code == 5
    found = json.loads(capsys.readouterr().out)
    assert found["starts"] == 240
    assert found["false_positives"]["interval"]["of"] == 20
    assert found["false_positives"]["compare"]["of"] == 20
    assert found["false_positives"]["claim"]["count"] == 0
    assert found["stopping"]["series"] == 1
    assert 10 <= found["stopping"]["starts"] <= 200
    answers = {rate["answer"] for rate in found["false_positives"].values()}
    assert answers == {"cannot tell"}


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
    assert found.compare.answer is aa.Answer.BROKEN
    assert found.claim.answer is not aa.Answer.BROKEN  # pairs stay within one pace


@pytest.mark.parametrize(
    ("count", "of", "answer"),
    [(0, 90, "cannot tell"), (0, 200, "kept"), (2, 200, "cannot tell"), (12, 200, "broken")],
)
def test_a_promise_is_kept_broken_or_cannot_be_told(count: int, of: int, answer: str) -> None:
    rate = aa.rate([place < count for place in range(of)], 0.01)
    assert rate.answer == answer
    if answer == "cannot tell":
        assert rate.needed is not None
        assert rate.needed > of


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
