"""Many idle instances, on the fake sandbox."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from benchmarks.errors import NotSupportedError
from benchmarks.experiments.density import Ceiling
from benchmarks.results import runfolder
from benchmarks.results.records import Resources, Status
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


def test_density_is_a_part_of_its_own_and_resumes(tmp_path: Path, measure: Measure) -> None:
    plan = fake_campaign(
        workloads=("startup", "density"), density_max=6, blocks_min=2, blocks_max=2
    )
    out = tmp_path / "run"
    measure(out, plan)
    run = runfolder.load(out)
    parts = [visit.part for visit in run.visits]
    assert parts.count("density") == parts.count("start") == 4
    counts = [sample.value for sample in run.samples if sample.metric == "density_count"]
    assert counts == [6.0] * 4
    data = (out / "samples.jsonl").read_bytes().splitlines(keepends=True)
    (out / "samples.jsonl").write_bytes(b"".join(data[:-2]))
    assert measure(out, plan, resume=True).visits == []  # only the crowd is started again
    assert len(runfolder.load(out).visits) == 8


def test_a_crowd_that_cannot_be_had_is_a_failure(tmp_path: Path, measure: Measure) -> None:
    measure(
        tmp_path / "run",
        fake_campaign(
            sandboxes=("fake:broken",), workloads=("density",), blocks_min=1, blocks_max=1
        ),
    )
    found = [s for s in runfolder.load(tmp_path / "run").samples if s.workload == "density"]
    assert {sample.status for sample in found} == {Status.FAILED}
    assert "instance 1 did not start" in (found[0].detail or "")
