"""A run folder of an earlier tare, kept as it was written: it is read, reported and resumed.

It has every experiment, on fakes, as the first version wrote it, but for what the probes and the
sweep had read, which is large. Beside it stand the rows that the report of then had for it: how
many samples were measured, failed and could not be had, and their median.
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import reports
from benchmarks.campaign import config
from benchmarks.errors import RunFolderError
from benchmarks.host import caches
from benchmarks.results import runfolder

if TYPE_CHECKING:
    from tests.unit.conftest import Measure

DATA = Path(__file__).parents[3] / "data" / "resumed"
KEPT = DATA / "every-experiment"


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it, on a host that has the CPU it was measured on."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0})
    monkeypatch.setattr(caches, "drop", lambda: None)
    shutil.copytree(KEPT, tmp_path / "run")
    return tmp_path / "run"


def test_it_is_read_as_it_was_then() -> None:
    then = json.loads((DATA / "every-experiment.json").read_text())
    run = runfolder.load(KEPT)
    assert (len(run.visits), len(run.samples)) == (then["visits"], then["samples"])
    now = {}
    for row in reports.document(run).numbers:
        of = (row.sandbox, row.workload, row.metric)
        more = (f"{key}={value}" for key, value in sorted(row.parameters.items()))
        median = row.median and row.median.estimate
        now[" ".join((*of, *more))] = [row.ok, row.failed, row.unsupported, median]
    assert now == then["numbers"]


@pytest.mark.parametrize("fmt", ["html", "md", "json", "csv"])
def test_it_is_reported_in_every_format(fmt: str) -> None:
    assert "fake:slow" in reports.render(runfolder.load(KEPT), fmt)


def test_it_is_resumed_with_what_is_missing_alone(kept: Path, measure: Measure) -> None:
    plan = config.convert(runfolder.load_info(kept).campaign)
    whole = [(one.block, one.sandbox, one.part) for one in runfolder.load(kept).visits]
    assert measure(kept, plan, resume=True).visits == []
    lines = (kept / "samples.jsonl").read_bytes().splitlines(keepends=True)
    last = max(number for number, line in enumerate(lines) if b'"part":"interference"' in line)
    (kept / "samples.jsonl").write_bytes(b"".join(lines[: last + 1]))
    assert {block for block, _ in measure(kept, plan, resume=True).visits} == {1}
    resumed = [(one.block, one.sandbox, one.part) for one in runfolder.load(kept).visits]
    assert sorted(resumed) == sorted(whole)  # the version that wrote it had another order


def test_it_is_not_resumed_with_another_campaign(kept: Path, measure: Measure) -> None:
    other = runfolder.load_info(kept).campaign | {"density_max": 7}
    with pytest.raises(RunFolderError, match="another campaign"):
        measure(kept, config.convert(other), resume=True)
