"""Many starts at once, cold starts, idle cost and smallest memory, on the fake sandbox."""

from __future__ import annotations

import itertools
import os
import threading
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

import reports
from benchmarks.errors import MeasurementError, NotSupportedError
from benchmarks.experiments import burst as parallel
from benchmarks.experiments import idle, min_memory
from benchmarks.experiments.density import Ceiling
from benchmarks.host import caches
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
            seen.append(together.wait(10))  # nobody gets on unless all four have come
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


def test_a_cold_start_drops_the_caches_first(
    tmp_path: Path, measure: Measure, monkeypatch: pytest.MonkeyPatch
) -> None:
    dropped = tmp_path / "drop_caches"
    monkeypatch.setattr(caches, "drop", lambda: _drop(dropped))
    plan = fake_campaign(sandboxes=("fake",), workloads=("startup", "cold"), blocks_max=6)
    measure(tmp_path / "run", plan)
    samples = runfolder.load(tmp_path / "run").samples
    cold_starts = of(samples, "cold_main_s")
    assert len(cold_starts) == 6
    assert all(sample.value for sample in cold_starts.values())
    assert not of(samples, "cold_kernel_s")  # a boundary that it does not have
    assert dropped.read_text() == "3" * 6


def test_a_start_is_cold_only_where_it_is_asked_to_be(
    tmp_path: Path, measure: Measure, monkeypatch: pytest.MonkeyPatch
) -> None:
    did: list[str] = []

    def drop() -> None:
        did.append("drop")

    def start(box: FakeSandbox) -> FakeInstance:
        did.append(box.info.name)
        return before(box)

    before = FakeSandbox.start
    monkeypatch.setattr(caches, "drop", drop)
    monkeypatch.setattr(FakeSandbox, "start", start)
    plan = fake_campaign(
        sandboxes=("fake", "fake:slow"), workloads=("startup", "cold"), blocks_min=2, blocks_max=2
    )
    measure(tmp_path / "run", plan)
    both = {"fake", "fake:slow"}
    # to begin with, then in each block: two warm ones, a drop before each cold one, two to warm up
    assert set(did[:2]) == both
    for block in (did[2:10], did[10:]):
        assert set(block[:2]) == both
        assert block[2] == block[4] == "drop"
        assert {block[3], block[5]} == both
        assert set(block[6:]) == both


def _drop(path: Path) -> str | None:
    path.write_text((path.read_text() if path.exists() else "") + "3")
    return None


def test_a_host_that_keeps_its_caches_makes_it_unsupported(tmp_path: Path) -> None:
    said = caches.drop(tmp_path / "nowhere" / "drop_caches")
    assert said is not None
    assert "does not let tare drop its caches" in said
    assert "run tare as root" in said


def test_an_idle_instance_is_charged_what_its_threads_ran(tmp_path: Path, measure: Measure) -> None:
    plan = fake_campaign(
        sandboxes=("fake",), workloads=("startup", "idle"), idle_s=0.05, blocks_min=1, blocks_max=1
    )
    measure(tmp_path / "run", plan)
    found = {s.metric: s for s in runfolder.load(tmp_path / "run").samples if s.workload == "idle"}
    assert found["idle_cpu_s_per_s"].value is not None
    assert (found["idle_threads"].value or 0) >= threading.active_count()
    assert found["idle_charged_s_per_s"].status is Status.UNSUPPORTED


def test_work_and_sleep_are_told_apart() -> None:
    stop = threading.Event()

    def doze() -> None:
        while not stop.wait(0.005):
            pass

    sleeper = threading.Thread(target=doze)
    sleeper.start()
    key = (os.getpid(), sleeper.native_id or 0)
    before = idle.threads([os.getpid()])
    own = (os.getpid(), threading.get_native_id())
    after = before
    # until both show, however busy the host is
    while after[own].ran_ns - before[own].ran_ns < 20_000_000 or (
        after[key].slept - before[key].slept < 3
    ):
        after = idle.threads([os.getpid()])
    stop.set()
    sleeper.join()
    assert after[own].ran_ns - before[own].ran_ns > after[key].ran_ns - before[key].ran_ns


def test_a_process_that_has_ended_has_no_threads(tmp_path: Path) -> None:
    assert idle.threads([1], tmp_path) == {}


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


def test_density_says_what_was_shared(fake: FakeSandbox) -> None:
    from benchmarks.experiments import density

    found = density.measure(fake, Ceiling(4, 0.0001), 0)
    assert isinstance(found.cached_bytes, float)  # how much is the host's business
    assert found.merged_bytes is None or isinstance(found.merged_bytes, float)


def test_density_of_what_runs_once_at_a_time_is_unsupported(fake: FakeSandbox) -> None:
    from benchmarks.experiments import density

    class Single(FakeSandbox):
        running = 0

        def start(self) -> FakeInstance:
            self.running += 1
            if self.running > 1:
                raise NotSupportedError("one at a time")
            return super().start()

    fake.__class__ = Single
    with pytest.raises(NotSupportedError, match="one at a time"):
        density.measure(fake, Ceiling(4, 0.0001), 0)
