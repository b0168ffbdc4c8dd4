from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING

import pytest

import reports
from benchmarks.errors import MeasurementError
from benchmarks.results import runfolder
from benchmarks.results.metrics import REPETITION
from benchmarks.results.records import Status
from benchmarks.sandboxes.kinds.fake import FakeSandbox
from benchmarks.session.history import REPEATED, START
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
            if REPETITION in sample.dimensions:  # the first warms up for these
                assert sample.value is not None
                taken.append(sample.value)
    assert {len(taken) for taken in blocks.values()} == {12}
    row = start(run, "fake")
    assert (row.median.n, row.ok, row.repetitions) == (6, 6 * 13, 12)
    assert row.median.estimate == pytest.approx(median(map(median, blocks.values())))
    against = start(run, "fake:slow").to_native
    assert against is None  # there is no native in it
    assert row.within == pytest.approx(0.05 / 2, rel=0.5)  # three draws of 5 %, one is half of it
    assert row.between is not None
    assert row.between < row.within
    assert "How starts vary" in reports.render(run, "md")


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
    measure(tmp_path / "run", campaign)
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
    first = [
        s.status
        for s in run.samples
        if (s.block, s.sandbox, s.metric) == (0, "fake", "startup_main_s")
    ]
    assert first == [Status.OK, Status.OK, Status.OK, Status.FAILED]
    assert start(run, "fake").median.n == 6
