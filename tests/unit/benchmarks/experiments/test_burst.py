"""Many starts at once, on the fake sandbox."""

from __future__ import annotations

import itertools
import threading
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

import reports
from benchmarks.errors import MeasurementError
from benchmarks.experiments import burst as parallel
from benchmarks.results import runfolder
from benchmarks.results.records import Resources, Sample, Status
from benchmarks.sandboxes.base import Setting
from benchmarks.sandboxes.kinds.fake import FakeInstance, FakeSandbox
from tests.unit.conftest import fake_campaign

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.conftest import Measure


@pytest.fixture
def fake(tmp_path: Path) -> FakeSandbox:
    resources = Resources(cpus=1, cpuset=(0,), memory_bytes=512 << 20)
    return FakeSandbox("fake", Setting(resources, None, None, tmp_path, tmp_path, 1))


def of(samples: list[Sample], metric: str) -> dict[tuple[int, str], Sample]:
    return {(s.block, s.dimensions.get("instances", "")): s for s in samples if s.metric == metric}


@given(st.integers(1, 1000))
def test_the_numbers_double_up_to_the_most(most: int) -> None:
    found = list(parallel.numbers(most))
    assert found[0] == 1
    assert found[-1] == most
    assert found == sorted(set(found))
    assert all(two <= 2 * one for one, two in itertools.pairwise(found))


def test_all_are_asked_for_before_any_has_started(fake: FakeSandbox) -> None:
    together, seen = threading.Barrier(4), []

    class Meeting(FakeSandbox):
        def start(self) -> FakeInstance:
            seen.append(together.wait(60))  # nobody gets on unless all four have come
            return super().start()

    found = parallel.measure(Meeting("fake", fake._setting), 4)
    assert sorted(seen) == [0, 1, 2, 3]
    assert found.count == 4
    assert found.median_s <= found.last_s
    assert found.per_second == pytest.approx(4 / found.last_s)


def test_what_started_before_an_interrupt_is_stopped(fake: FakeSandbox) -> None:
    stopped = []

    class Counted(FakeInstance):
        def stop(self) -> None:
            super().stop()
            stopped.append(self)

    class Interrupted(FakeSandbox):
        def start(self) -> FakeInstance:
            if not started.acquire(blocking=False):
                raise KeyboardInterrupt
            return Counted(self._random, 1.0)

    started = threading.Semaphore(3)
    with pytest.raises(KeyboardInterrupt):
        parallel.measure(Interrupted("fake", fake._setting), 4)
    assert len({id(one) for one in stopped}) == 3


def test_a_campaign_has_every_number_in_every_block(tmp_path: Path, measure: Measure) -> None:
    out = tmp_path / "run"
    plan = fake_campaign(
        sandboxes=("fake",), workloads=("startup", "parallel"), parallel_max=6,
        blocks_min=2, blocks_max=2,
    )  # fmt: skip
    measure(out, plan)
    run = runfolder.load(out)
    last = of(run.samples, "parallel_last_s")
    assert sorted(last) == [(block, n) for block in (0, 1) for n in ("1", "2", "4", "6")]
    assert {sample.status for sample in last.values()} == {Status.OK}
    rows = [row for row in reports.document(run).numbers if row.metric == "parallel_starts_per_s"]
    assert [row.parameters["instances"] for row in rows] == ["1", "2", "4", "6"]
    page = reports.render(run, "html")
    assert "Many starts at once" in page
    assert "parallel-starts" in page
    assert "instances 6" in page


def test_what_the_host_has_no_room_for_is_unsupported_with_the_reason(
    tmp_path: Path, measure: Measure, monkeypatch: pytest.MonkeyPatch
) -> None:
    burst = parallel.Burst(count=2, median_s=1, last_s=1, per_second=2, taken_bytes=2e18)
    monkeypatch.setattr(parallel, "measure", lambda _box, _count: burst)
    plan = fake_campaign(
        sandboxes=("fake",), workloads=("startup", "parallel"), parallel_max=4,
        blocks_min=1, blocks_max=1,
    )  # fmt: skip
    measure(tmp_path / "run", plan)
    found = of(runfolder.load(tmp_path / "run").samples, "parallel_main_s")
    assert [found[0, n].status for n in "124"] == ["ok", "unsupported", "unsupported"]
    assert "2 at once would leave less than 25% of the host's memory" in (
        found[0, "2"].detail or ""
    )


def test_a_burst_that_fails_is_a_failure_and_the_larger_ones_are_not_tried(
    tmp_path: Path, measure: Measure, monkeypatch: pytest.MonkeyPatch
) -> None:
    start, lock, started = FakeSandbox.start, threading.Lock(), [0]

    def sometimes(self: FakeSandbox) -> FakeInstance:
        with lock:
            started[0] += 1
            if started[0] == 4:  # the visit's, the single one, then one of two
                raise MeasurementError("no more today")
        return start(self)

    monkeypatch.setattr(FakeSandbox, "start", sometimes)
    plan = fake_campaign(
        sandboxes=("fake",), workloads=("startup", "parallel"), parallel_max=4,
        blocks_min=1, blocks_max=1,
    )  # fmt: skip
    measure(tmp_path / "run", plan)
    found = of(runfolder.load(tmp_path / "run").samples, "parallel_main_s")
    assert [found[0, n].status for n in "124"] == ["ok", "failed", "unsupported"]
    assert found[0, "2"].detail == "1 of 2 at once did not start: no more today"
