"""What a workload wrote never acts on who reads a report, and never floods it."""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING

import msgspec
import pytest
from rich.console import Console

import reports
from benchmarks.results.records import Status
from tests.unit.reports.conftest import Synthetic

if TYPE_CHECKING:
    from benchmarks.results.runfolder import Run

HOSTILE = "\x1b]0;owned\x07\x1b[2J\r\x9b31m\u202egnp.exe\ud83d<b>|`\x00"
UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\ud800-\udfff]")


def run_that_says(text: str) -> Run:
    run = Synthetic(blocks=6).build()
    samples = [
        msgspec.structs.replace(one, status=Status.FAILED, value=None, detail=text)
        if one.workload == "sysbench-cpu"
        else msgspec.structs.replace(one, detail=text, flags=(text[:40],))
        for one in run.samples
    ]
    boxes = tuple(
        msgspec.structs.replace(box, caveats=(text,), details={text[:9]: text})
        for box in run.info.sandboxes
    )
    info = msgspec.structs.replace(
        run.info, sandboxes=boxes, absent={"oci:x": text}, tools={"qemu": text}, run=text
    )
    return run._replace(samples=samples, info=info)


@pytest.mark.parametrize("fmt", reports.FORMATS)
def test_no_control_character_reaches_a_reader(fmt: str) -> None:
    shown = reports.render(run_that_says(HOSTILE), fmt)
    assert not UNSEEN.search(shown)
    assert "owned" in shown
    assert "x1b" in shown
    assert "u202e" in shown


def test_the_summary_and_a_comparison_show_none_either() -> None:
    run = run_that_says(HOSTILE)
    out = io.StringIO()
    Console(file=out, width=80).print(reports.summary(run))
    for fmt in reports.COMPARISON_FORMATS:
        out.write(reports.render_comparison(reports.compare(run, run), fmt))
    assert not UNSEEN.search(out.getvalue())


@pytest.mark.parametrize("fmt", reports.FORMATS)
def test_a_detail_of_many_megabytes_is_cut_and_said_to_be(fmt: str) -> None:
    run = Synthetic(blocks=3, sandboxes=("container",), failing={("container", "host_cpu_s"): {1}})
    built = run.build()
    failed = {one.detail: "x" * (50 << 20) for one in built.samples if one.status.failure}
    samples = [msgspec.structs.replace(s, detail=failed.get(s.detail)) for s in built.samples]
    shown = reports.render(built._replace(samples=samples), fmt)
    assert len(shown) < 2 << 20
    assert "[52,424,800 characters cut]" in re.sub(r"\s+", " ", shown.replace("\\", ""))
    assert any(one.detail == "x" * (50 << 20) for one in samples)
