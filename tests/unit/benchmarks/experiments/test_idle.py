"""What an idle instance costs, on the fake sandbox."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

from benchmarks.experiments import idle
from benchmarks.results import runfolder
from benchmarks.results.records import Status
from tests.unit.conftest import fake_campaign

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.conftest import Measure


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
