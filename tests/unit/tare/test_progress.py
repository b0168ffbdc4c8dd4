"""What a campaign says of its progress, and how it waits for another one."""

from __future__ import annotations

import math
import re
import threading
from typing import TYPE_CHECKING

import click
import pytest

from benchmarks.campaign.estimate import too_short
from benchmarks.results import runfolder
from tare import cli
from tare.commands import run
from tare.progress import CampaignProgress
from tests.unit.conftest import fake_campaign

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

type Tare = Callable[..., tuple[int, str, str]]

RUN = ("run", "smoke", "-s", "fake", "-w", "startup", "--no-report")


@pytest.fixture
def tare(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Tare:
    monkeypatch.setattr("tare.measure.state_folder", lambda: tmp_path / "state")

    def call(*args: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as end:
            cli.main([str(arg) for arg in args])
        out, err = capsys.readouterr()
        return int(end.value.code or 0), out, err

    return call


def test_a_run_says_which_block_of_how_many_it_measures(tare: Tare, tmp_path: Path) -> None:
    code, _, err = tare(*RUN, "--blocks", 3, "--budget", 0.001, "--out", tmp_path / "run")
    assert code == 0
    said = re.findall(r"block \d of \d: fake \(.*\)", err)
    assert [line[:12] for line in said] == ["block 1 of 3", "block 2 of 3", "block 3 of 3"]
    assert "the last block" in said[-1]
    assert "0 s left" not in re.sub(r"\d0 s left", "", err)


def test_how_many_blocks_is_only_about_while_the_time_decides(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with CampaignProgress(fake_campaign(blocks_min=2, blocks_max=50)) as progress:
        progress.beginning(1, 30)
        progress.visiting(0, "fake", 100.0)
        progress.beginning(2, 2)
        progress.visiting(1, "fake", 0.0)
    _, err = capsys.readouterr()
    assert "block 1 of about 30: fake (about 100 s left)" in err
    assert "block 2 of 2: fake (the last block, by the estimate)" in err


def test_a_budget_below_what_the_fewest_blocks_take_is_told_before_anything_is_measured(
    tare: Tare,
) -> None:
    assert too_short(fake_campaign(budget_s=1000)) is None
    code, out, _ = tare("run", "full", "--budget", 240, "--dry-run")
    assert code == 0
    assert "a budget of 240 s is less than the 6 blocks take that are measured at least" in out
    assert "is less than" not in tare("run", "quick", "--dry-run")[1]


def test_another_campaign_has_an_exit_code_of_its_own(tare: Tare, tmp_path: Path) -> None:
    with runfolder.campaign_lock(tmp_path / "state" / "campaign.lock", "process 1"):
        code, _, err = tare(*RUN, "--out", tmp_path / "run")
        assert code == 6
        assert "another campaign is running (process 1)" in err
        assert "--wait" in err
        code, _, err = tare(*RUN, "--wait", "0.1", "--out", tmp_path / "run")
    assert code == 6
    assert "waiting: another campaign" in err
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("wait", [("--wait",), ("--wait", "60"), ("--wait=60",)])
def test_a_run_waits_for_another_one(tare: Tare, tmp_path: Path, wait: tuple[str, ...]) -> None:
    lock = runfolder.campaign_lock(tmp_path / "state" / "campaign.lock", "process 1")
    lock.__enter__()
    ends = threading.Timer(0.5, lambda: lock.__exit__(None, None, None))
    ends.start()
    code, _, err = tare("run", *wait, *RUN[1:], "--out", tmp_path / "run")
    ends.join()
    assert code == 0
    assert err.count("waiting: another campaign") == 1


def test_a_run_of_no_words_is_that_of_the_default_preset() -> None:
    context = click.Context(run.command)
    run.command.parse_args(context, [])
    assert context.params["campaign"] == "quick"
    run.command.parse_args(context, ["--wait"])
    assert context.params["wait"] == math.inf
