"""What a manager adds to its runtime is told block by block."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import msgspec
import pytest

import reports
from tests.unit.reports import conftest

if TYPE_CHECKING:
    from benchmarks.results.runfolder import Run
    from tests.unit.reports.conftest import Synthetic

STARTS = {"spawned": 0.0005, "main": 0.036}
MANAGED = {"spawned": 0.0005, "main": 0.236}


@pytest.fixture
def run(synthetic: Synthetic, monkeypatch: pytest.MonkeyPatch) -> Run:
    synthetic.sandboxes = ("oci:runc", "podman:runc", "podman:crun")
    for kind, starts in (("oci", STARTS), ("podman", MANAGED)):
        monkeypatch.setitem(conftest.PROCESSES, kind, 2)
        synthetic.starts[kind] = dict(starts)
        synthetic.memory[kind] = dict(synthetic.memory["container"])
        for rates in synthetic.rates.values():
            rates[kind] = rates["container"]
    made = synthetic.build()
    boxes = tuple(
        msgspec.structs.replace(box, details={"oci_runtime": box.name.partition(":")[2]})
        if box.name.startswith("podman")
        else box
        for box in made.info.sandboxes
    )
    return made._replace(info=msgspec.structs.replace(made.info, sandboxes=boxes))


def test_a_manager_is_laid_beside_its_own_runtime(run: Run) -> None:
    rows = json.loads(reports.render(run, "json"))["control_planes"]
    assert [(row["manager"], row["runtime"], row["title"]) for row in rows] == [
        ("podman:runc", "oci:runc", "start"),
        ("podman:runc", "oci:runc", "stop"),
    ]  # crun was not measured alone
    assert rows[0]["added"]["estimate"] == pytest.approx(0.2, rel=0.05)
    assert rows[0]["added"]["low"] is not None
    assert rows[0]["times"]["estimate"] == pytest.approx(0.236 / 0.036, rel=0.05)


def test_page_markdown_and_terminal_say_so(run: Run) -> None:
    assert "What the control plane adds" in reports.render(run, "html")
    assert "What the control plane adds" in reports.render(run, "md")
    from rich.console import Console

    console = Console(width=80, record=True, file=open("/dev/null", "w"))  # noqa: PTH123, SIM115
    console.print(reports.summary(run))
    text = console.export_text()
    assert "podman:runc adds" in text
    assert "to a start of oci:runc" in text
    assert max(map(len, text.splitlines())) <= 80
