from __future__ import annotations

import json
from statistics import median
from typing import TYPE_CHECKING

import msgspec
import pytest

import reports
from benchmarks.errors import MeasurementError
from benchmarks.results import runfolder
from benchmarks.results.metrics import REPETITION, WARM_UP
from benchmarks.results.records import Status
from benchmarks.sandboxes.kinds.fake import FakeInstance, FakeSandbox
from benchmarks.session.history import READY, REPEATED, START
from tests.unit.conftest import fake_campaign

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.results.runfolder import Run
    from reports.model.records import NumberRow
    from tests.unit.conftest import Measure


def start(run: Run, sandbox: str, metric: str = "startup_main_s") -> NumberRow:
    rows = reports.document(run).numbers
    return next(row for row in rows if (row.sandbox, row.metric) == (sandbox, metric))


def test_a_block_of_many_starts_is_one_value(tmp_path: Path, measure: Measure) -> None:
    measure(tmp_path / "run", fake_campaign(start_repetitions=12))
    run = runfolder.load(tmp_path / "run")
    assert {v.part for v in run.visits} == {START, REPEATED}
    blocks: dict[int, list[float]] = {}
    for sample in run.samples:
        if (sample.sandbox, sample.metric) == ("fake", "startup_main_s"):
            taken = blocks.setdefault(sample.block, [])
            if sample.dimensions.get(REPETITION, WARM_UP) != WARM_UP:
                assert sample.value is not None
                taken.append(sample.value)
    assert {len(taken) for taken in blocks.values()} == {12}
    row = start(run, "fake")
    assert len(blocks) == 11  # six of visits, and those of starts alone between them
    assert (row.median.n, row.ok, row.repetitions) == (11, 11 * 13 + 6, 12)
    assert row.median.estimate == pytest.approx(median(map(median, blocks.values())))
    against = start(run, "fake:slow").to_native
    assert against is None  # there is no native in it
    assert row.within == pytest.approx(0.05 / 2, rel=0.5)  # three draws of 5 %, one is half of it
    assert row.between is not None
    assert row.between < row.within
    assert "How starts vary" in reports.render(run, "md")
    spread = json.loads(reports.render(run, "json"))["start_spreads"][0]
    told = spread["quantiles"]
    assert (spread["sandbox"], spread["starts"], told["p99"]) == ("fake", 11 * 12, None)
    assert told["p50"]["low"] < told["p50"]["estimate"] < told["p50"]["high"]
    assert told["p50"]["high"] < told["p95"]["estimate"]
    assert spread["modes"] is None


def test_what_the_start_before_does_is_told(tmp_path: Path, measure: Measure) -> None:
    measure(tmp_path / "run", fake_campaign(start_repetitions=12, workloads=("startup",)))
    run = runfolder.load(tmp_path / "run")
    found = json.loads(reports.render(run, "json"))["predecessors"]
    assert [(one["sandbox"], one["after"]) for one in found] == [
        ("fake", "fake"),
        ("fake", "fake:slow"),
        ("fake:slow", "fake"),
        ("fake:slow", "fake:slow"),
    ]
    starts = sum(s.metric == "startup_main_s" for s in run.samples)
    assert sum(one["starts"] for one in found) == starts - 1  # nothing is before the first
    for one in found:
        assert one["effect"]["low"] < 1 < one["effect"]["high"]  # fakes do nothing to each other
    assert "What the start before does" in reports.render(run, "md")


def test_without_repetitions_everything_is_as_before(fake_run: Path) -> None:
    run = runfolder.load(fake_run)
    values = [
        s.value
        for s in run.samples
        if (s.sandbox, s.metric) == ("fake", "startup_main_s") and s.value is not None
    ]
    row = start(run, "fake")
    assert row.median.estimate == median(values)
    assert (row.median.n, row.ok, row.repetitions, row.within) == (6, 6, 0, None)


def test_a_killed_run_repeats_only_what_is_missing(tmp_path: Path, measure: Measure) -> None:
    campaign = fake_campaign(start_repetitions=4, workloads=("startup",))
    measure(tmp_path / "run", campaign)  # of visits and of starts alone
    journal = tmp_path / "run" / "samples.jsonl"
    whole, data = runfolder.load(tmp_path / "run"), journal.read_bytes()
    journal.write_bytes(data[: len(data) * 3 // 5])
    measure(tmp_path / "run", campaign, resume=True)
    resumed = runfolder.load(tmp_path / "run")
    done = [sorted((v.block, v.sandbox, v.part) for v in run.visits) for run in (whole, resumed)]
    assert done[0] == done[1]
    assert len(resumed.samples) == len(whole.samples)


def test_a_start_that_fails_is_not_repeated_in_its_block(
    tmp_path: Path, measure: Measure, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin, calls = FakeSandbox.start, [0]

    def fail_at_times(self: FakeSandbox) -> object:
        if self.info.name == "fake":
            calls[0] += 1
            if calls[0] == 4:
                raise MeasurementError("refused this once")
        return begin(self)

    monkeypatch.setattr(FakeSandbox, "start", fail_at_times)
    measure(tmp_path / "run", fake_campaign(start_repetitions=5, workloads=("startup",)))
    run = runfolder.load(tmp_path / "run")
    again = [
        s.status
        for s in run.samples
        if (s.block, s.sandbox, s.metric) == (0, "fake", "startup_main_s")
        and REPETITION in s.dimensions
    ]
    assert again[-1] is Status.FAILED
    assert set(again[:-1]) == {Status.OK}
    assert len(again) < 6
    assert start(run, "fake").median.n == 11


def emulate(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Let one fake sandbox say that its CPU is emulated, and be startable in part."""

    def until_ready(self: FakeSandbox) -> FakeInstance:
        instance = begin(self)
        del instance._stamps["main"]
        monkeypatch.setattr(instance, "stop", lambda: None)
        return instance

    begin, info = FakeSandbox.start, FakeSandbox.info.fget
    assert info is not None
    monkeypatch.setattr(
        FakeSandbox,
        "info",
        property(
            lambda self: msgspec.structs.replace(info(self), admissible_cpu=self._info.name != name)
        ),
    )
    monkeypatch.setattr(FakeSandbox, "start_until_ready", until_ready, raising=False)


def test_an_emulated_guest_takes_no_time_for_what_decides_nothing(
    tmp_path: Path, measure: Measure, monkeypatch: pytest.MonkeyPatch
) -> None:
    emulate(monkeypatch, "fake:slow")
    observer = measure(tmp_path / "run", fake_campaign(blocks_min=9, blocks_max=9))
    run = runfolder.load(tmp_path / "run")
    parts = [v.part for v in run.visits if v.sandbox == "fake:slow"]
    assert parts == [START] * 6 + [READY] * 3
    counted = {
        metric: sum(
            (s.sandbox, s.workload, s.metric) == ("fake:slow", *metric) for s in run.samples
        )
        for metric in (
            ("startup", "startup_ready_s"),
            ("startup", "startup_main_s"),
            ("startup", "stop_s"),
            ("memory", "rss_bytes"),
            ("checksum", "sha256"),
            ("syscall", "throughput_per_s"),
        )
    }
    assert list(counted.values()) == [9, 6, 6, 6, 6, 1]
    assert observer.stop is not None
    assert set(observer.stop.reached) == {"fake"}  # the other's width holds nothing up


def test_where_all_are_emulated_they_are_measured_in_full(
    tmp_path: Path, measure: Measure, monkeypatch: pytest.MonkeyPatch
) -> None:
    emulate(monkeypatch, "fake")
    observer = measure(
        tmp_path / "run", fake_campaign(sandboxes=("fake",), blocks_min=8, blocks_max=8)
    )
    assert {v.part for v in runfolder.load(tmp_path / "run").visits} == {START}
    assert observer.stop is not None
    assert set(observer.stop.reached) == {"fake"}
