from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from typing import TYPE_CHECKING

import jsonschema
import pytest
from rich.console import Console

import reports
from benchmarks.errors import RunFolderError
from benchmarks.results import journal, runfolder
from benchmarks.results.records import Unit
from reports.model.records import Estimate
from reports.renderers import units

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.reports.conftest import Synthetic


def test_json_keeps_its_schema_and_says_what_was_judged(synthetic: Synthetic) -> None:
    data = json.loads(reports.render(synthetic.build(), "json"))
    jsonschema.validate(data, reports.schema())
    assert data["schema"] == 1
    verdicts = {claim["id"]: claim["verdict"] for claim in data["claims"]}
    assert verdicts["starts-fast"] == "supported (bound)"
    start = next(
        row
        for row in data["numbers"]
        if (row["sandbox"], row["metric"]) == ("container", "startup_main_s")
    )
    assert start["median"]["estimate"] == pytest.approx(0.0102, rel=0.05)
    assert start["unit"] == "s"


def test_csv_has_every_sample_and_leaves_missing_values_empty(synthetic: Synthetic) -> None:
    synthetic.failing = {("vm", "stop_s"): {2}}
    run = synthetic.build()
    rows = list(csv.DictReader(io.StringIO(reports.render(run, "csv"))))
    assert len(rows) == len(run.samples)
    failed = [row for row in rows if row["status"] == "failed"]
    assert [(row["block"], row["value"]) for row in failed] == [("2", "")]
    assert float(rows[0]["value"]) == run.samples[0].value


def test_markdown_tables_are_whole(synthetic: Synthetic) -> None:
    synthetic.hostname = "a|b`c*d"
    text = reports.render(synthetic.build(), "md")
    assert "a\\|b\\`c\\*d" in text
    tables: list[list[str]] = [[]]
    for line in text.splitlines():
        if line.startswith("|"):
            tables[-1].append(line)
        elif tables[-1]:
            tables.append([])
    for table in filter(None, tables):
        widths = {line.replace("\\|", "").count("|") for line in table}
        assert len(widths) == 1


@pytest.mark.parametrize("width", [60, 80, 132])
def test_the_terminal_summary_has_a_row_for_each_sandbox_and_cuts_nothing(
    synthetic: Synthetic, width: int
) -> None:
    switched = ("pid", "uts", "mnt", "ipc", "net", "seccomp", "capabilities", "no_new_privs")
    variants = [f"container:no-{one}" for one in switched]
    synthetic.sandboxes = ("native", "container", *variants, "container:bare", "vm", "vm:stock")
    assert len(synthetic.sandboxes) == 13
    out = io.StringIO()
    console = Console(file=out, width=width, color_system=None)
    console.print(reports.summary(synthetic.build()))
    lines = out.getvalue().splitlines()
    assert max(map(len, lines)) <= width
    assert "\N{HORIZONTAL ELLIPSIS}" not in out.getvalue()
    for name in synthetic.sandboxes:
        rows = [line.split()[1:] for line in lines if line.split()[:1] == [name]]
        assert rows
        assert all(rows)
    words = out.getvalue().split()
    assert {"median", "start", "memory"} <= set(words)
    assert any("supported (bound)" in line for line in lines)


def test_write_returns_text_or_path(synthetic: Synthetic, tmp_path: Path) -> None:
    run = synthetic.build()
    out = tmp_path / "report.md"
    assert reports.write(run, "md", out) == out
    assert out.read_text() == reports.write(run, "md", None)
    assert [path.name for path in tmp_path.iterdir()] == ["report.md"]


def test_wrong_requests_are_one_sentence(synthetic: Synthetic, tmp_path: Path) -> None:
    run = synthetic.build()
    with pytest.raises(reports.UnknownFormatError, match="known are html, md, text, json, csv"):
        reports.render(run, "docx")
    with pytest.raises(reports.ReportWriteError, match="cannot write"):
        reports.write(run, "csv", tmp_path / "nowhere" / "report.csv")
    for fmt in reports.FORMATS:
        with pytest.raises(reports.EmptyRunError, match="--resume"):
            reports.render(run._replace(samples=[]), fmt)


def test_a_report_is_made_from_a_folder_on_disk(synthetic: Synthetic, tmp_path: Path) -> None:
    run = synthetic.build(tmp_path / "run")
    runfolder.create(run.path, run.info)
    with journal.JournalWriter(run.path / "samples.jsonl") as writer:
        rest = list(run.samples)
        for visit in run.visits:
            writer.append(rest[: visit.samples], visit)
            del rest[: visit.samples]
    assert reports.render(runfolder.load(run.path), "json") == reports.render(run, "json")


def test_an_unreadable_folder_says_so(synthetic: Synthetic, tmp_path: Path) -> None:
    with pytest.raises(RunFolderError, match="not a run folder"):
        runfolder.load(tmp_path)
    run = synthetic.build(tmp_path / "run")
    runfolder.create(run.path, run.info)
    (run.path / "samples.jsonl").write_text('{"crc":1,"body":{}}\n' * 3)
    with pytest.raises(RunFolderError, match="damaged"):
        runfolder.load(run.path)


def test_importing_the_reports_is_cheap() -> None:
    heavy = "{'pandas', 'matplotlib', 'scipy', 'numpy', 'jinja2'}"
    program = f"import reports, sys; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("value", "unit", "shown"),
    [
        (0.00987, Unit.SECONDS, "9.87 ms"),
        (0.0009999, Unit.SECONDS, "1.00 ms"),
        (2.9, Unit.SECONDS, "2.90 s"),
        (0.0, Unit.SECONDS, "0 s"),
        (512 * 2**20, Unit.BYTES, "512 MiB"),
        (-3 * 2**20, Unit.BYTES, "\N{MINUS SIGN}3 MiB"),
        (609_431.0, Unit.PER_SECOND, "609 k/s"),
        (0.0673, Unit.RATIO, "0.0673\N{MULTIPLICATION SIGN}"),
        (2.0, Unit.COUNT, "2"),
        (None, Unit.SECONDS, "\N{EN DASH}"),
    ],
)
def test_quantities(value: float | None, unit: Unit, shown: str) -> None:
    assert units.quantity(value, unit).replace("\N{NO-BREAK SPACE}", " ") == shown


def test_an_interval_speaks_its_estimates_unit_and_digits() -> None:
    estimate = Estimate(low=0.00987, estimate=0.0102, high=0.01234, n=8, confidence=0.95)
    assert units.interval(estimate, Unit.SECONDS) == "9.9 to 12.3"
    assert units.middle(estimate, Unit.SECONDS) == "10.2\N{NO-BREAK SPACE}ms"
    wide = Estimate(low=0.0001, estimate=0.0256, high=0.0932, n=8, confidence=0.95)
    assert units.estimate(wide, Unit.SECONDS) == "30\N{NO-BREAK SPACE}ms (0.100 to 90)"
    unsure = Estimate(low=1.98, estimate=2.01, high=2.031, n=8, confidence=0.95, unsure=True)
    assert units.ratio(unsure) == "2.01\N{MULTIPLICATION SIGN} (1.98 to 2.03, unsure)"
    alone = Estimate(low=None, estimate=0.0102, high=None, n=3, confidence=0.95)
    assert "no interval from 3" in units.estimate(alone, Unit.SECONDS)
