"""Every form is taken by who reads it, and holds no number that was not measured."""

from __future__ import annotations

import csv
import io
import json
import re
import subprocess
import sys
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import msgspec
import pytest

import reports
from reports.errors import ReportError, UnknownFormatError
from reports.exports import FORMATS, export

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.results.runfolder import Run
    from tests.unit.reports.conftest import Synthetic

BLOCKS = 8
COMMIT = "0123456789abcdef0123456789abcdef01234567"
TEXTS = tuple(name for name in FORMATS if name != "parquet")


def committed(run: Run) -> Run:
    return run._replace(info=msgspec.structs.replace(run.info, commit=COMMIT))


@pytest.fixture
def run(synthetic: Synthetic) -> Run:
    return committed(synthetic.build())


@pytest.mark.parametrize("fmt", TEXTS)
def test_what_failed_is_no_number(fmt: str, synthetic: Synthetic) -> None:
    synthetic.failing = {("vm", "throughput_per_s"): set(range(BLOCKS))}
    shown = export([committed(synthetic.build())], fmt).decode()
    assert "container" in shown
    for line in shown.splitlines():
        if "throughput" in line and re.search(r"\bvm\b", line) and "failed" not in line:
            assert not re.search(r"(?<![\w.])(0|0\.0|nan|inf)(?![\w.])", line), line


def test_what_failed_has_no_name_among_the_numbers(synthetic: Synthetic) -> None:
    synthetic.failing = {("vm", "throughput_per_s"): set(range(BLOCKS))}
    found = json.loads(export([synthetic.build()], "bmf"))
    assert "throughput_per_s" in found["container/syscall"]
    assert "throughput_per_s" not in found["vm/syscall"]


def test_the_few_that_went_well_are_no_number_where_most_failed(synthetic: Synthetic) -> None:
    synthetic.failing = {("vm", "throughput_per_s"): set(range(1, BLOCKS))}
    run = synthetic.build()
    assert "throughput_per_s" not in json.loads(export([run], "bmf"))["vm/syscall"]
    root = ET.fromstring(export([run], "junit"))
    case = root.find(".//testcase[@classname='vm'][@name='throughput_per_s']/error")
    assert case is not None
    assert case.get("message") == f"{BLOCKS - 1} of {BLOCKS} failed"


def test_what_was_emulated_is_marked(run: Run) -> None:
    shown = export([run], "openmetrics").decode()
    assert 'sandbox="vm",workload="startup",emulated="true"' in shown
    assert 'sandbox="container",workload="startup"}' in shown
    assert "emulated: not for ranking" in export([run], "comment").decode()
    rows = json.loads(export([run], "customSmallerIsBetter"))
    marked = {one["name"].partition("/")[0] for one in rows if "emulated" in one["extra"]}
    assert marked == {"vm"}


@pytest.mark.parametrize("fmt", ["otava", "otava-csv"])
def test_otava_gets_only_what_every_run_has(fmt: str, synthetic: Synthetic) -> None:
    one = synthetic.build()
    synthetic.sandboxes, synthetic.seed = ("native", "container"), 8
    shown = export([one, synthetic.build()], fmt).decode()
    assert "container/startup/startup_main_s" in shown
    assert "vm/startup" not in shown


def test_otava_reads_time_attributes_and_metrics(run: Run) -> None:
    [result] = json.loads(export([run], "otava"))
    assert result["timestamp"] == int(run.info.created_at)
    assert result["attributes"]["commit"] == COMMIT
    values = {one["name"]: one["value"] for one in result["metrics"]}
    [row] = csv.DictReader(io.StringIO(export([run], "otava-csv").decode()))
    assert {name: float(row[name]) for name in values} == values


def test_bencher_gets_values_with_bounds(run: Run) -> None:
    found = json.loads(export([run], "bmf"))
    start = found["container/startup"]["startup_main_s"]
    assert start["lower_value"] <= start["value"] <= start["upper_value"]


def test_each_direction_has_a_file_of_its_own(run: Run) -> None:
    smaller = {one["name"] for one in json.loads(export([run], "customSmallerIsBetter"))}
    bigger = {one["name"] for one in json.loads(export([run], "customBiggerIsBetter"))}
    assert "container/startup/startup_main_s" in smaller
    assert "container/syscall/throughput_per_s" in bigger
    assert not smaller & bigger


def test_benchstat_gets_a_line_a_block(run: Run) -> None:
    lines = export([run], "benchfmt").decode().splitlines()
    assert "Unit startup_main_s better=lower" in lines
    assert "Unit throughput_per_s better=higher" in lines
    starts = [line for line in lines if line.startswith("BenchmarkStartup/sandbox=container ")]
    assert len(starts) == BLOCKS
    name, iterations, *pairs = starts[0].split()
    assert re.fullmatch(r"Benchmark[A-Z]\S*", name)
    assert int(iterations) == 1
    assert all(float(value) >= 0 for value in pairs[::2])
    assert "startup_main_s" in pairs[1::2]


def test_prometheus_gets_gauges_without_timestamps(run: Run) -> None:
    shown = export([run], "openmetrics").decode()
    assert shown.endswith("# EOF\n")
    seen = set()
    for line in shown.splitlines():
        if line.startswith("# TYPE"):
            family = line.split()[2]
            assert family not in seen, "a family stands once"
            seen.add(family)
        elif not line.startswith("#"):
            match = re.fullmatch(r'([a-z_][a-z0-9_]*)\{(?:\w+="[^"\n]*",?)+\} (\S+)', line)
            assert match, line
            assert match[1] in seen
            float(match[2])
    assert "tare_startup_main_seconds" in seen


def test_prometheus_reads_it(run: Run) -> None:
    parser = pytest.importorskip("prometheus_client.openmetrics.parser")
    shown = export([run], "openmetrics").decode()
    assert list(parser.text_string_to_metric_families(shown))


def test_pytest_benchmark_compares_it(run: Run, tmp_path: Path) -> None:
    for name in ("0001_a.json", "0002_b.json"):
        (tmp_path / name).write_bytes(export([run], "pytest-benchmark"))
    done = subprocess.run(
        [sys.executable, "-m", "pytest_benchmark", "compare", *sorted(tmp_path.glob("*.json"))],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    assert "container/startup/startup_main_s" in done.stdout


def test_asv_gets_what_is_better_when_smaller(run: Run) -> None:
    data = json.loads(export([run], "asv"))
    assert data["version"] == 2
    assert data["commit_hash"] == COMMIT
    columns = data["result_columns"]
    for name, result in data["results"].items():
        assert len(result) <= len(columns)
        assert "throughput_per_s" not in name
        assert isinstance(result[columns.index("result")][0], float)


def test_asv_without_a_commit_is_refused(synthetic: Synthetic) -> None:
    with pytest.raises(ReportError, match="--commit"):
        export([synthetic.build()], "asv")


def worse(synthetic: Synthetic) -> tuple[Run, Run]:
    synthetic.blocks = 30
    base = synthetic.build()
    synthetic.seed, synthetic.starts["container"]["main"] = 8, 0.0204
    return base, committed(synthetic.build())


def test_a_regression_fails_its_case_and_no_other(synthetic: Synthetic) -> None:
    base, new = worse(synthetic)
    comparison = reports.compare(base, new)
    assert comparison.regressed
    root = ET.fromstring(export([new], "junit", comparison))
    failed = [
        (case.get("classname"), case.get("name"))
        for case in root.iter("testcase")
        if case.find("failure") is not None
    ]
    assert ("container", "startup_main_s") in failed
    assert not any(sandbox == "native" for sandbox, _ in failed)
    suite = root.find("testsuite[@name='startup']")
    assert suite is not None
    assert int(suite.get("tests", "0")) == len(suite)
    assert int(suite.get("failures", "0")) >= 1


def test_junit_without_a_base_fails_nothing_and_shows_what_failed(synthetic: Synthetic) -> None:
    synthetic.failing = {("vm", "throughput_per_s"): set(range(BLOCKS))}
    synthetic.absent = {"podman": "bell \x07 in a reason"}
    root = ET.fromstring(export([synthetic.build()], "junit"))
    assert root.find(".//failure") is None
    cases = {
        (case.get("classname"), case.get("name"))
        for case in root.iter("testcase")
        if case.find("error") is not None
    }
    assert cases == {("vm", "throughput_per_s")}
    assert root.find(".//testcase[@classname='podman']/skipped") is not None


def test_a_comment_begins_with_what_is_worse(synthetic: Synthetic) -> None:
    base, new = worse(synthetic)
    shown = export([new], "comment", reports.compare(base, new)).decode()
    assert shown.startswith("**tare: regressed.**")
    first = shown.splitlines()[4]
    assert first.startswith("| worse | container |")


def test_a_comment_fits_whatever_the_run_holds(synthetic: Synthetic) -> None:
    synthetic.rates = {f"w{place}": synthetic.rates["syscall"] for place in range(400)}
    shown = export([synthetic.build()], "comment")
    assert len(shown) <= 64_000
    assert "more lines are in the report" in shown.decode().splitlines()[-1]


def test_parquet_is_read_back_or_its_writer_is_named(run: Run) -> None:
    try:
        import pyarrow.parquet as reader
    except ImportError:
        with pytest.raises(ReportError, match="pyarrow"):
            export([run], "parquet")
        return
    table = reader.read_table(io.BytesIO(export([run], "parquet")))
    assert table.num_rows == len(run.samples)


def test_one_run_at_a_time_where_the_form_holds_one(run: Run) -> None:
    with pytest.raises(ReportError, match="one run"):
        export([run, run], "bmf")
    with pytest.raises(UnknownFormatError, match="customSmallerIsBetter"):
        export([run], "nosuch")
