"""What the host did during a visit stands beside its samples."""

from __future__ import annotations

import csv
import io
import random
from typing import TYPE_CHECKING

import msgspec
import pytest

import reports
from benchmarks.host import fingerprint
from benchmarks.results import runfolder
from benchmarks.sandboxes.base import Completed
from benchmarks.sandboxes.kinds.fake import FakeInstance
from benchmarks.session import overhead
from tests.unit.benchmarks.host.test_host import LATER, QUIET

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


def test_steal_pressure_and_load_become_shares() -> None:
    before = msgspec.structs.replace(QUIET, idle_ticks=600, load1=0.25)
    after = msgspec.structs.replace(
        LATER, steal_ticks=8, idle_ticks=900, psi_us={"cpu": 250_000, "memory": 0, "io": 10_000}
    )
    assert fingerprint.meanwhile(before, after) == {
        "psi_cpu_ratio": 0.25,
        "psi_memory_ratio": 0.0,
        "psi_io_ratio": 0.01,
        "steal_ratio": 0.02,
        "busy_cpus": 1.0,
        "load1": 0.25,
    }


def test_a_host_that_tells_nothing_says_nothing(tmp_path: Path) -> None:
    silent = fingerprint.conditions(tmp_path)
    assert fingerprint.meanwhile(silent, silent) == {}


def test_every_visit_keeps_it_and_the_csv_lays_it_beside_each_sample(fake_run: Path) -> None:
    run = runfolder.load(fake_run)
    assert all("load1" in visit.meanwhile for visit in run.visits)
    rows = list(csv.DictReader(io.StringIO(reports.render(run, "csv"))))
    assert len(rows) == len(run.samples)
    assert float(rows[0]["host_load1"]) == pytest.approx(run.visits[0].meanwhile["load1"])
    told = reports.document(run).meanwhile
    assert told["load1"].most == max(visit.meanwhile["load1"] for visit in run.visits)
    assert "What the host did meanwhile" in reports.render(run, "html")


def test_a_workload_stands_beside_the_hosts_whole_account(fake_run: Path) -> None:
    run = runfolder.load(fake_run)
    found = [s for s in run.samples if s.metric == "host_busy_s"]
    assert len(found) == len([s for s in run.samples if s.metric == "throughput_per_s"]) * 3 // 2
    assert all(s.value is not None and s.value >= 0 for s in found)
    told = {(one.workload, one.metric) for one in run.info.metrics}
    assert ("sysbench-cpu", "host_busy_s") in told
    assert not [s for s in run.samples if s.metric == "host_charged_s"]  # the fake has no group


def test_time_in_which_nothing_ran_is_not_busy(tmp_path: Path) -> None:
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/stat").write_text("cpu  100 20 30 9000 500 5 5 7 0 0\n")
    assert fingerprint.busy_seconds(tmp_path) == pytest.approx(1.6)
    assert fingerprint.busy_seconds(tmp_path / "nowhere") is None


@pytest.mark.parametrize(("code", "known"), [(0, True), (127, False)])
def test_a_probe_that_an_image_cannot_run_has_no_time(*, code: int, known: bool) -> None:
    said = b'{"format":1,"values":{},"attempts":{},"took_ns":1}\n' if known else b""

    class Bare(FakeInstance):
        def run(self, args: Sequence[str], *, timeout_s: float, stdin: bytes = b"") -> Completed:
            del args, timeout_s, stdin
            return Completed(code, said, b"", 0.001)

    class Native:
        def start(self) -> FakeInstance:
            return Bare(random.Random(1), 1.0)

    found = overhead.perturbation({"native": Native()})  # type: ignore[dict-item]
    assert ("empty_probe_s" in found) is known
    assert {"cpu_read_s", "idle_read_s", "host_watch_s", "memory_read_s"} <= found.keys()
