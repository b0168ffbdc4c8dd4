"""A kind of sandbox is one file: planned, estimated, run, resumed and reported without another."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import reports
from benchmarks import sandboxes
from benchmarks.campaign.estimate import estimate
from benchmarks.results import runfolder
from benchmarks.sandboxes import kinds, registry
from tests.unit.conftest import Measure, fake_campaign

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FILE = '''
"""``toy``: a sandbox of a package that others wrote."""

import msgspec

from benchmarks.sandboxes import Kind, register
from benchmarks.sandboxes.kinds.fake import FakeSandbox, FakeTestbed


class ToySandbox(FakeSandbox):
    def __init__(self, name, setting):
        super().__init__("fake:slow", setting)
        self._info = msgspec.structs.replace(self._info, name=name, kind="toy")


register(
    Kind(
        name="toy",
        title="a toy",
        names=("toy",),
        open=ToySandbox,
        limits="by being small",
        isolation="simulated",
        start_and_stop_s=7.0,
        testbed=FakeTestbed,
    )
)
'''


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    folder = tmp_path / "more"
    folder.mkdir()
    (folder / "toy_of_others.py").write_text(FILE)
    monkeypatch.setattr(registry, "_kinds", list(sandboxes.all_kinds() and registry._kinds))
    monkeypatch.setattr(kinds, "__path__", [*kinds.__path__, str(folder)])
    return folder


@pytest.mark.usefixtures("toy")
def test_a_kind_more_is_one_file_more(tmp_path: Path, measure: Measure) -> None:
    campaign = fake_campaign(sandboxes=("fake", "toy"))
    assert "toy" in sandboxes.names()
    assert estimate(campaign).block_s == pytest.approx(
        estimate(fake_campaign(sandboxes=("fake",))).block_s * 2 + 7, rel=0.2
    )
    out = tmp_path / "run"
    told = measure(out, campaign)
    assert (0, "toy") in told.visits
    lines = (out / "samples.jsonl").read_bytes().splitlines(keepends=True)
    (out / "samples.jsonl").write_bytes(b"".join(lines[: len(lines) // 2]))
    assert measure(out, campaign, resume=True).visits
    run = runfolder.load(out)
    assert run.info.resources.enforced["toy"] == "by being small"
    document = reports.document(run)
    assert {row.sandbox for row in document.numbers} >= {"fake", "toy"}
