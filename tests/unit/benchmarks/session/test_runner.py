from __future__ import annotations

from collections import Counter
from itertools import pairwise
from typing import TYPE_CHECKING

import msgspec
import pytest

import reports
from benchmarks.campaign import config, schedule
from benchmarks.errors import MeasurementError, RunFolderError, RunLockedError
from benchmarks.results import runfolder
from benchmarks.results.records import Status
from benchmarks.sandboxes.kinds.fake import FakeInstance
from tests.unit.conftest import fake_campaign

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.conftest import Measure


def test_every_block_visits_every_sandbox_once(fake_run: Path) -> None:
    run = runfolder.load(fake_run)
    assert sorted((v.block, v.sandbox) for v in run.visits) == [
        (block, name) for block in range(6) for name in ("fake", "fake:slow")
    ]


def test_the_order_varies_but_not_between_runs_of_one_seed() -> None:
    names = ["a", "b", "c"]
    orders = [tuple(schedule.order(1, block, names)) for block in range(20)]
    assert len(set(orders)) > 1
    assert orders == [tuple(schedule.order(1, block, names)) for block in range(20)]
    assert orders != [tuple(schedule.order(2, block, names)) for block in range(20)]


@pytest.mark.parametrize("count", range(1, 8))
def test_orders_are_balanced_for_place_and_predecessor(count: int) -> None:
    names = "abcdefg"[:count]
    square = 2 * count if count % 2 and count > 1 else count
    for begin in (0, square):
        orders = [schedule.order(5, begin + place, names) for place in range(square)]
        places = Counter((place, name) for one in orders for place, name in enumerate(one))
        pairs = Counter(pair for one in orders for pair in pairwise(one))
        assert len(places) == count * count
        assert len(pairs) == count * (count - 1)
        assert len(set(places.values())) == 1
        assert len(set(pairs.values())) <= 1


def test_a_fresh_seed_is_drawn_for_each_run_and_can_be_given_again() -> None:
    drawn = {config.load("quick").seed for _ in range(5)}
    assert len(drawn) > 1
    assert config.load("quick", seed=7).seed == 7


def test_time_that_is_neither_preparing_nor_measuring_is_told(fake_run: Path) -> None:
    run = runfolder.load(fake_run)
    for visit in run.visits:
        assert visit.wall_s is not None
        assert visit.dead_s is not None
        assert 0 <= visit.dead_s <= visit.wall_s
    share = reports.document(run).dead_share
    assert share is not None
    assert 0 < share <= 1
    assert "neither into preparing nor into measuring" in reports.render(run, "html")
    older = [msgspec.structs.replace(visit, wall_s=None, dead_s=None) for visit in run.visits]
    assert reports.document(run._replace(visits=older)).dead_share is None


def test_values_are_of_the_metrics_the_run_declares(fake_run: Path) -> None:
    run = runfolder.load(fake_run)
    declared = {(m.workload, m.metric): m.unit for m in run.info.metrics}
    assert {(s.workload, s.metric) for s in run.samples} <= set(declared)
    assert all(s.unit is declared[s.workload, s.metric] for s in run.samples)


def test_a_killed_run_resumes_and_measures_only_what_is_missing(
    fake_run: Path,
    measure: Measure,
) -> None:
    whole = runfolder.load(fake_run)
    data = (fake_run / "samples.jsonl").read_bytes()
    (fake_run / "samples.jsonl").write_bytes(data[: len(data) * 2 // 3])
    kept = [(v.block, v.sandbox) for v in runfolder.load(fake_run).visits]
    observer = measure(fake_run, resume=True)
    resumed = runfolder.load(fake_run)
    assert not set(observer.visits) & set(kept)
    assert sorted((v.block, v.sandbox) for v in resumed.visits) == sorted(
        (v.block, v.sandbox) for v in whole.visits
    )
    assert len(resumed.samples) == len(whole.samples)


def test_resuming_a_finished_run_measures_nothing(fake_run: Path, measure: Measure) -> None:
    assert measure(fake_run, resume=True).visits == []


def test_resuming_with_another_campaign_is_refused(fake_run: Path, measure: Measure) -> None:
    with pytest.raises(RunFolderError, match="another campaign"):
        measure(fake_run, fake_campaign(seed=8), resume=True)


def test_a_used_folder_is_not_overwritten(fake_run: Path, measure: Measure) -> None:
    before = (fake_run / "samples.jsonl").read_bytes()
    with pytest.raises(RunFolderError, match="already holds a run"):
        measure(fake_run)
    assert (fake_run / "samples.jsonl").read_bytes() == before


def test_a_failing_start_is_a_status_and_the_sandbox_is_left_alone(
    tmp_path: Path,
    measure: Measure,
) -> None:
    observer = measure(tmp_path / "run", fake_campaign(sandboxes=("fake", "fake:broken")))
    run = runfolder.load(tmp_path / "run")
    broken = [s for s in run.samples if s.sandbox == "fake:broken"]
    assert {s.status for s in broken} == {Status.FAILED}
    assert all(s.value is None and s.detail for s in broken)
    assert [name for _, name in observer.visits].count("fake:broken") == 2
    assert [name for _, name in observer.visits].count("fake") == 6


def test_a_hanging_workload_is_a_timeout_and_the_rest_is_kept(
    tmp_path: Path,
    measure: Measure,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answer = FakeInstance.run

    def hang(self: FakeInstance, args: list[str], **options: float) -> object:
        if args[0].endswith("dd"):
            raise MeasurementError("dd did not end within 60 s", timed_out=True)
        return answer(self, args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(FakeInstance, "run", hang)
    measure(tmp_path / "run")
    by_workload: dict[str, set[Status]] = {}
    for sample in runfolder.load(tmp_path / "run").samples:
        by_workload.setdefault(sample.workload, set()).add(sample.status)
    assert by_workload["syscall"] == {Status.TIMEOUT}
    assert by_workload["sysbench-cpu"] == {Status.OK}


def test_a_guest_s_own_share_of_a_stop_is_told_apart(
    tmp_path: Path,
    measure: Measure,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stop = FakeInstance.stop

    def power_off(self: FakeInstance) -> None:
        stop(self)
        self._stamps["powered_off"] = (self._stamps["stop_asked"] + self._stamps["stopped"]) // 2

    measure(tmp_path / "plain")
    monkeypatch.setattr(FakeInstance, "stop", power_off)
    measure(tmp_path / "guests")
    plain, guests = (runfolder.load(tmp_path / name).samples for name in ("plain", "guests"))
    stops = {"stop_s", "stop_guest_s", "stop_host_s"}
    assert {s.metric for s in plain} & stops == {"stop_s"}
    assert {s.metric for s in guests} & stops == stops
    for block in {s.block for s in guests}:
        found = {
            s.metric: s.value or 0
            for s in guests
            if s.block == block and s.sandbox == "fake" and s.metric in stops
        }
        assert found["stop_guest_s"] + found["stop_host_s"] == pytest.approx(found["stop_s"])
        assert min(found.values()) > 0


def test_two_campaigns_at_once_are_refused_by_name(tmp_path: Path, measure: Measure) -> None:
    lock = tmp_path / "state" / "campaign.lock"
    with (
        runfolder.campaign_lock(lock, "process 1, run folder /elsewhere"),
        pytest.raises(RunLockedError, match="run folder /elsewhere"),
    ):
        measure(tmp_path / "run")


def test_sampling_stops_at_the_precision_asked_for(tmp_path: Path, measure: Measure) -> None:
    observer = measure(tmp_path / "run", fake_campaign(precision=0.5, blocks_max=50))
    assert observer.stop is not None
    assert observer.stop.reason == "precision"
    assert all(width is not None and width <= 0.5 for width in observer.stop.reached.values())


def test_the_fewest_blocks_are_counted_in_whatever_the_budget(
    tmp_path: Path, measure: Measure
) -> None:
    campaign = fake_campaign(precision=1e-6, blocks_min=4, blocks_max=9, budget_s=1e-6)
    observer = measure(tmp_path / "run", campaign)
    assert observer.blocks == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_no_more_blocks_are_expected_than_there_may_be(tmp_path: Path, measure: Measure) -> None:
    campaign = fake_campaign(precision=1e-6, blocks_min=2, blocks_max=3, budget_s=1000)
    observer = measure(tmp_path / "run", campaign)
    assert observer.blocks == [(1, 3), (2, 3), (3, 3)]
    assert max(observer.left_s) < 1000


def test_sampling_stops_at_the_budget(tmp_path: Path, measure: Measure) -> None:
    campaign = fake_campaign(precision=1e-6, blocks_max=500, budget_s=0.05)
    observer = measure(tmp_path / "run", campaign)
    assert observer.stop is not None
    assert observer.stop.reason == "budget"


def test_a_newer_schema_is_refused(fake_run: Path) -> None:
    file = fake_run / "run.json"
    data = msgspec.json.decode(file.read_bytes())
    file.write_bytes(msgspec.json.encode(data | {"schema": 99}))
    with pytest.raises(RunFolderError, match="schema 99"):
        runfolder.load(fake_run)
