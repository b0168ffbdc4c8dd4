"""An experiment is one file, a workload is one file: no other file is touched for either."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import reports
from benchmarks import experiments
from benchmarks.campaign import config
from benchmarks.campaign.estimate import estimate
from benchmarks.errors import CampaignError
from benchmarks.results import runfolder
from benchmarks.results.records import Status
from tare import cli
from tests.unit.conftest import fake_campaign

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.unit.conftest import Measure

EXPERIMENT = '''
"""``sparkle``: an experiment of a package that others wrote."""

from benchmarks.experiments.base import Cadence, Experiment
from benchmarks.results.evidence import Evidence
from benchmarks.results.records import Direction, Unit

SEEN = Evidence("sparkle", float)


class Sparkle(Experiment):
    name = "sparkle"
    title = "how it sparkles"
    cadence = Cadence.{cadence}

    class Options(Experiment.Options, frozen=True):
        """How much.

        Attributes:
            sparkle_grams: How much glitter there is.
        """

        rules = (("sparkle_grams", (lambda grams: grams > 0, "above 0")),)
        sparkle_grams: float = 2.0

    @classmethod
    def rows(cls):
        yield "sparkle_bytes", Unit.BYTES, Direction.HIGHER, "how much it sparkles"

    def estimate(self, start_s):
        return 7.0

    def run(self, context):
        if self.cadence is Cadence.ONCE:
            SEEN.write(context.logs, self.options.sparkle_grams, context.name)
        else:
            self.record(context, self.options.sparkle_grams)

    def judge(self, context):
        self.record(context, SEEN.read(context.logs, context.name))

    def record(self, context, value):
        context.record.add(self.name, "sparkle_bytes", Unit.BYTES, value)
'''

WORKLOAD = """\
name = "own"
title = "Own"
command = ["/usr/bin/sysbench", "own"]
seconds = 3
timeout_s = 60
pattern = '''second: (?P<rate>[0-9.]+)\\n(?s:.*)of events: (?P<events>\\d+)'''
event = "one"
"""

EVERY_BLOCK = {"VISIT", "BLOCK"}


@pytest.fixture(params=["VISIT", "BLOCK", "ONCE", "TOGETHER"])
def cadence(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[str]:
    """Add an experiment of this cadence."""
    folder = tmp_path / "more"
    folder.mkdir()
    (folder / "sparkle.py").write_text(EXPERIMENT.replace("{cadence}", request.param))
    monkeypatch.setattr(experiments, "__path__", [*experiments.__path__, str(folder)])
    importlib.invalidate_caches()
    yield request.param
    del sys.modules["benchmarks.experiments.sparkle"]


def shape(out: Path) -> list[tuple[int, str, str]]:
    return sorted((one.block, one.sandbox, one.part) for one in runfolder.load(out).visits)


def test_an_experiment_more_is_one_file_more(
    cadence: str, tmp_path: Path, measure: Measure, capsys: pytest.CaptureFixture[str]
) -> None:
    sandboxes = ("fake", "fake:slow")
    file = tmp_path / "mine.toml"
    file.write_text(
        f'name = "mine"\nsandboxes = {list(sandboxes)}\nworkloads = ["startup", "sparkle"]\n'
        "blocks_min = 2\nblocks_max = 2\nsparkle_grams = 5\n"
    )
    # planned, with a key of its own
    plan = config.load(str(file))
    assert plan.options["sparkle_grams"] == 5.0
    assert "sparkle_grams" in config.schema()["$defs"]["Campaign"]["properties"]
    file.write_text(file.read_text().replace("= 5", "= 0"))
    with pytest.raises(CampaignError, match=r"mine\.toml:6: sparkle_grams: must be above 0"):
        config.load(str(file))
    # estimated
    found, alone = estimate(plan), estimate(fake_campaign(workloads=("startup",)))
    each = 7.0 if cadence in EVERY_BLOCK else 0.0
    assert found.block_s == pytest.approx(alone.block_s + 2 * each)
    assert found.once == (() if each else ("sparkle",))
    # run, and resumed from the middle of what it closed last
    out = tmp_path / "run"
    measure(out, plan)
    samples = [one for one in runfolder.load(out).samples if one.workload == "sparkle"]
    assert {one.status for one in samples} == {Status.OK}
    assert {one.value for one in samples} == {5.0}
    assert len(samples) == 2 * (2 if each else 1)
    whole = shape(out)
    lines = (out / "samples.jsonl").read_bytes().splitlines(keepends=True)
    at = max(number for number, line in enumerate(lines) if b'"sparkle_bytes"' in line)
    (out / "samples.jsonl").write_bytes(b"".join(lines[: at + 1]))
    assert shape(out) != whole
    measure(out, plan, resume=True)
    assert shape(out) == whole
    # reported
    rows = [
        row for row in reports.document(runfolder.load(out)).numbers if row.metric[:7] == "sparkle"
    ]
    assert {(row.sandbox, row.title) for row in rows} == {
        (name, "how much it sparkles") for name in sandboxes
    }
    # listed
    with pytest.raises(SystemExit):
        cli.main(["list", "experiments", "--json"])
    listed = json.loads(capsys.readouterr().out)["experiments"]
    assert listed["sparkle"] == "how it sparkles"


def test_the_page_s_experiment_works(
    tmp_path: Path, measure: Measure, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = (Path(__file__).parents[4] / "docs" / "architecture.md").read_text()
    (tmp_path / "null_command.py").write_text(page.partition("```python\n")[2].partition("```")[0])
    monkeypatch.setattr(experiments, "__path__", [*experiments.__path__, str(tmp_path)])
    importlib.invalidate_caches()
    plan = fake_campaign(workloads=("null-command",), null_command_times=2)
    measure(tmp_path / "run", plan)
    del sys.modules["benchmarks.experiments.null_command"]
    samples = runfolder.load(tmp_path / "run").samples
    assert {(one.workload, one.status) for one in samples} == {("null-command", Status.OK)}


def test_what_was_added_is_gone_with_its_folder() -> None:
    with pytest.raises(CampaignError, match="there is no workload 'sparkle'"):
        config.load("smoke", workloads=("sparkle",))


def test_a_workload_more_is_one_file_more(tmp_path: Path, measure: Measure) -> None:
    file = tmp_path / "own.toml"
    file.write_text(WORKLOAD)
    both = ("startup", str(file))
    plan = fake_campaign(workloads=both, blocks_min=2, blocks_max=2)
    alone = estimate(fake_campaign(workloads=("startup",)))
    assert estimate(plan).block_s == pytest.approx(alone.block_s + 2 * 3)
    out = tmp_path / "run"
    measure(out, plan)
    whole = shape(out)
    data = (out / "samples.jsonl").read_bytes()
    (out / "samples.jsonl").write_bytes(data[: len(data) // 2])
    measure(out, plan, resume=True)
    assert shape(out) == whole
    run = runfolder.load(out)
    rates = [row for row in reports.document(run).numbers if row.metric == "throughput_per_s"]
    assert {(row.sandbox, row.workload) for row in rates} == {("fake", "own"), ("fake:slow", "own")}
