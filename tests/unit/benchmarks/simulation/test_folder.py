"""The program that measures how run folders scale, on small ones."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import reports
from benchmarks.campaign.config import Campaign
from benchmarks.campaign.schedule import enough
from benchmarks.results import reader, runfolder
from benchmarks.simulation.folder import cost_after, write

if TYPE_CHECKING:
    from pathlib import Path


def test_a_made_up_folder_is_reported_as_made_up(tmp_path: Path) -> None:
    write(tmp_path / "run", 500, seed=1)
    run = runfolder.load(tmp_path / "run")
    assert len(run.samples) >= 500
    assert "made up for tests" in reports.render(run, "md")


def test_what_samples_have_in_common_is_kept_once(tmp_path: Path) -> None:
    write(tmp_path / "run", 500, seed=1)
    samples = reader.read(tmp_path / "run" / "samples.jsonl").samples
    assert len({id(sample.metric) for sample in samples}) == len({s.metric for s in samples})
    assert len({id(sample.dimensions) for sample in samples}) == 3


def test_a_long_campaign_is_resumed_where_it_stood(tmp_path: Path) -> None:
    assert cost_after(tmp_path, 200, visits=4) > 0
    run = runfolder.load(tmp_path / "taken-200")
    visits = [(visit.block, visit.sandbox) for visit in run.visits]
    assert len(set(visits)) == len(visits)
    assert len(run.samples) > 200


def test_a_long_campaign_still_stops_at_each_of_its_limits() -> None:
    plan = Campaign(
        name="long", sandboxes=("fake",), workloads=("startup",), blocks_max=1000, precision=0.05
    )
    noise = random.Random(1)
    noisy = {"fake": [noise.lognormvariate(0.0, 2.0) for _ in range(777)]}
    steady = {"fake": [1.0 + 0.001 * (number % 7) for number in range(777)]}

    def reason(blocks: int, elapsed_s: float, starts: dict[str, list[float]]) -> str | None:
        stop = enough(plan, blocks=blocks, elapsed_s=elapsed_s, next_block_s=1.0, starts=starts)
        return stop.reason if stop else None

    assert reason(1000, 0.0, noisy) == "blocks"
    assert reason(777, 299.5, noisy) == "budget"
    assert reason(777, 0.0, noisy) is None
    assert "precision" in {reason(blocks, 0.0, steady) for blocks in range(770, 778)}
