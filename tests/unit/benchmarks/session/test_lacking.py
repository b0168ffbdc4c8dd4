"""What an image lacks is said for what needs it, and the rest is measured."""

from pathlib import Path

import pytest

import reports
from benchmarks.experiments import base
from benchmarks.results import runfolder
from benchmarks.results.records import Status, same_image
from benchmarks.session import measure as session
from benchmarks.session.lacking import Lack, lacking
from tests.unit.conftest import Measure


def image_with(root: Path, *programs: str) -> Path:
    for program in programs:
        path = root / program
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("a program")
    return root


def test_programs_are_looked_for_where_the_sandbox_would(tmp_path: Path) -> None:
    image_with(tmp_path, "usr/bin/sysbench", "usr/bin/redis-server")
    (tmp_path / "bin").symlink_to("usr/bin")
    asked = base.asked(("startup", "leaks", "sysbench-cpu", "redis-get"), {})
    assert lacking(asked, None) == []
    found = {one.workload: one.said for one in lacking(asked, tmp_path)}
    assert found["leaks"] == "not here: the image has no python3"
    assert "sysbench-cpu" not in found
    assert "redis-cli, redis-benchmark" in found["redis-get"]
    assert "startup" not in found


def test_a_server_and_a_neighbour_are_programs_of_the_image_too(tmp_path: Path) -> None:
    asked = base.asked(["web-beside-disk", "network-tcp-to-host"], {})
    found = {one.workload: one.said for one in lacking(asked, tmp_path)}
    assert set(found) == {"web-beside-disk", "network-tcp-to-host"}
    assert "iperf3" in found["network-tcp-to-host"]


def test_a_run_says_it_once_a_sandbox_and_measures_the_rest(
    tmp_path: Path, measure: Measure, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = "not here: the image has no sysbench"
    monkeypatch.setattr(session, "lacking", lambda *_: [Lack("sysbench-cpu", "sysbench-cpu", said)])
    measure(tmp_path / "run")
    run = runfolder.load(tmp_path / "run")
    of_sysbench = [one for one in run.samples if one.workload == "sysbench-cpu"]
    assert {one.status for one in of_sysbench} == {Status.UNSUPPORTED}
    assert {one.detail for one in of_sysbench} == {said}
    assert {one.sandbox for one in of_sysbench} == {"fake", "fake:slow"}
    assert {one.block for one in of_sysbench} == {0}
    assert {one.status for one in run.samples if one.workload == "syscall"} == {Status.OK}
    page = reports.write(run, "html", tmp_path / "report.html").read_text(encoding="utf-8")
    assert said in page


def test_the_image_of_a_run_is_told_by_both_parts() -> None:
    one = {"digest": "t", "kernel_digest": "k", "kernel_release": "6.1"}
    assert same_image(one, dict(one))
    assert not same_image(one, one | {"kernel_digest": "other"})
    assert not same_image(one, one | {"digest": "other"})
    assert not same_image(one, None)
    before = {"digest": "t", "kernel_release": "6.1"}
    assert same_image(one, before)
    assert not same_image(before, one | {"kernel_release": "6.2"})
