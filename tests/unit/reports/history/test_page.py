"""The page: it says what text and JSON say, loads nothing, and is complete without its script."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from html.parser import HTMLParser
from typing import TYPE_CHECKING, override

import pytest

import reports
from benchmarks.errors import OutputError
from reports.errors import ReportWriteError
from tare import cli
from tests.unit.reports.history.conftest import START

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.reports.history.conftest import Made


class _Page(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.attributes: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()

    @override
    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes.append((tag, dict(attrs)))
        if tag not in {"meta", "input", "line", "path", "rect", "br", "wbr"}:
            self.open.append(tag)

    @override
    def handle_endtag(self, tag: str) -> None:
        if tag not in {"line", "path", "rect"}:
            assert self.open.pop() == tag

    @override
    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes.append((tag, dict(attrs)))

    @override
    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] not in {"script", "style"}:
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def _written(made: Made, out: Path) -> str:
    reports.write_history(reports.over_time([made.folder], 0.02), out)
    return out.read_text()


def test_the_page_says_what_the_text_says(made: Made, tmp_path: Path) -> None:
    made.runs(20, commit="abcdef")
    made.kernel = "6.19.1"
    made.runs(8, start=1.08, commit="abcdef")
    page = _Page(_written(made, tmp_path / "page.html"))
    assert page.open == []
    found = reports.over_time([made.folder], 0.02)
    assert "Regressed: 1 alarm (threshold 2 %)" in page.text
    assert "kernel: 6.18.5 became 6.19.1" in page.text
    assert "git bisect start abcdef015 abcdef012" in page.text
    ids = [given["id"] for tag, given in page.attributes if tag == "details"]
    assert ids == [f"s-{one.id}" for one in found.series]
    assert found.series[0].name == START
    assert f"#s-{found.series[0].id}" in {given.get("href") for _, given in page.attributes}
    for one in found.series:
        assert one.name in page.text
    assert page.text.count("abcdef01b") >= 1


def test_the_page_loads_nothing_and_runs_only_its_own_script(made: Made, tmp_path: Path) -> None:
    made.runs(12)
    text = _written(made, tmp_path / "page.html")
    (script,) = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in text
    page = _Page(text)
    assert not [given for _, given in page.attributes if "src" in given]
    assert not re.findall(r"(?:https?:)?//[\w.]+", " ".join(page.words))
    (controls,) = [given for _, given in page.attributes if given.get("id") == "controls"]
    assert "hidden" in controls  # a search that cannot work is not shown


def test_a_run_leads_to_its_report(made: Made, tmp_path: Path) -> None:
    made.runs(11)
    (made.folder / "run-010" / "report.html").write_text("a report")
    page = _Page(_written(made, tmp_path / "page.html"))
    links = {given.get("href") for tag, given in page.attributes if tag == "a"}
    assert "runs/run-010/report.html" in links
    assert not any("run-009" in (link or "") for link in links)


def test_what_a_run_says_is_only_text_on_the_page(made: Made, tmp_path: Path) -> None:
    made.runs(11)
    for run in ("run-009", "run-010"):
        file = made.folder / run / "run.json"
        told = json.loads(file.read_text())
        told["run"] = f"{run}</title><script>alert(1)</script>"
        told["host"]["identity"]["kernel_release"] = "<img src=x onerror=alert(1)>"
        file.write_text(json.dumps(told))
    text = _written(made, tmp_path / "page.html")
    assert "<script>alert" not in text
    assert "<img" not in text
    assert "&lt;img src=x" in text


def test_very_many_runs_make_no_endless_page(made: Made, tmp_path: Path) -> None:
    made.runs(70)
    page = _Page(_written(made, tmp_path / "page.html"))
    assert "The last 60" in page.text
    assert "70 runs" in page.text


def test_the_command_writes_the_page_and_refuses_a_runs_own_file(
    made: Made, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made.runs(11)
    with pytest.raises(SystemExit) as end:
        cli.main(["history", str(made.folder), "--html", str(tmp_path / "page.html")])
    assert end.value.code == 0
    assert (tmp_path / "page.html").read_text().startswith("<!doctype html>")
    capsys.readouterr()
    kept = (made.folder / "run-000" / "run.json").read_bytes()
    with pytest.raises(ReportWriteError) as refused:
        reports.write_history(
            reports.over_time([made.folder], 0.02), made.folder / "run-000" / "run.json"
        )
    assert isinstance(refused.value.__cause__, OutputError)
    assert (made.folder / "run-000" / "run.json").read_bytes() == kept
