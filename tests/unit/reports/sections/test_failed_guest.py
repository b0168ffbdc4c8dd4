"""A guest that fails at each point of a campaign: no form of the report shows a number for it."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from itertools import islice, product
from string import ascii_lowercase
from typing import TYPE_CHECKING, NamedTuple

import msgspec
import pytest

import reports
from benchmarks.experiments.probes import Verdict
from benchmarks.experiments.sweep import VERDICTS, FileFinding, Trait
from benchmarks.results import metrics
from benchmarks.results.records import Status
from reports import sections
from tests.unit.reports.sections.everything import WHY, everything

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from benchmarks.results.records import Sample

GUEST = "vm"
SHOWN = ("native", "container", GUEST)
NUMBER = re.compile(r"[\N{MINUS SIGN}-]?[\d<]")
REACHED = {"startup_spawned_s", "startup_ready_s"}
LEFT_OVER = 5113


def _started(sample: Sample) -> bool:
    return sample.workload == metrics.STARTUP


FAILS: dict[str, Callable[[Sample], bool]] = {
    "start": lambda _: True,
    "boot": lambda sample: sample.metric not in REACHED,
    "visit": lambda sample: not _started(sample),
    "workload": lambda sample: sample.workload == "xz",
}
"""Where a guest fails, and which of its samples that takes away."""


class Broken(NamedTuple):
    """A run whose guest failed, the titles and the sections that have nothing of it."""

    forms: dict[str, str]
    titles: set[str]
    nothing: set[str]


@pytest.fixture(scope="module", params=sorted(FAILS))
def broken(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Broken:
    fails = FAILS[request.param]
    folder = tmp_path_factory.mktemp(request.param)
    dead = frozenset({GUEST}) if request.param != "workload" else frozenset()
    made = everything(folder)
    if dead:
        _evidence_of_what_died(folder)
    samples = [
        msgspec.structs.replace(one, status=Status.FAILED, value=None, text=None, detail=WHY)
        if one.sandbox == GUEST and fails(one)
        else one
        for one in made.samples
        if one.sandbox in SHOWN
    ]
    boxes = tuple(box for box in made.info.sandboxes if box.name in SHOWN)
    info = msgspec.structs.replace(made.info, sandboxes=boxes)
    run = made._replace(info=info, samples=samples)
    rows = [row for row in reports.document(run).numbers if row.sandbox == GUEST]
    bad = {one.workload for one in samples if one.sandbox == GUEST and one.status.failure}
    good = {one.workload for one in samples if one.sandbox == GUEST and not one.status.failure}
    nothing = {
        one.title for one in sections.every() if one.workloads and set(one.workloads) <= bad - good
    } - {"Covert channels", "Interference"}
    ok = {row.title for row in rows if row.ok}
    forms = {form: reports.render(run, form) for form in ("html", "md", "text", "json")}
    return Broken(forms, {row.title for row in rows if not row.ok} - ok, nothing)


def _evidence_of_what_died(folder: Path) -> None:
    """Leave what a sweep wrote before the guest was gone: it says nothing of the guest."""
    names = islice(product(ascii_lowercase, repeat=3), LEFT_OVER)
    left = [
        FileFinding(
            path=f"/proc/{''.join(name)}",
            verdict=Verdict.SHARED_LIVE,
            evidence="host: 1; sandbox: 1",
            traits=(Trait.VARYING,),
        )
        for name in names
    ]
    VERDICTS.write(folder / "logs", left, GUEST)


class Tables(HTMLParser):
    """Collects the tables of a page: rows of texts, by the section that they stand in."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, list[list[str]]]] = []
        self._title, self._open = "", ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        del attrs
        if tag == "h2":
            self._title = ""
        elif tag == "table":
            self.found.append((self._title, []))
        elif tag == "tr":
            self.found[-1][1].append([])
        elif tag in {"th", "td"}:
            self.found[-1][1][-1].append("")
        elif tag == "small":
            self.found[-1][1][-1][-1] += "\n"
        self._open = tag if tag in {"h2", "th", "td"} else self._open

    def handle_endtag(self, tag: str) -> None:
        self._open = "" if tag == self._open else self._open

    def handle_data(self, data: str) -> None:
        if self._open == "h2":
            self._title += data
        elif self._open:
            self.found[-1][1][-1][-1] += data


def _rows(broken: Broken, title: str, table: list[list[str]]) -> Iterator[tuple[str, str]]:
    """Return head and cell of each row of a table that can hold nothing of the guest."""
    heads = [head.split("\n")[0] for head in table[0]]
    if GUEST not in heads:
        return
    place = heads.index(GUEST)
    for row in table[1:]:
        head = row[0].split("\n")[0].partition(" (")[0]
        if head in {"failed", "error"}:
            continue  # counts the failures themselves
        if title in broken.nothing or head in broken.titles:
            yield head, row[place]


def test_the_page_shows_no_number(broken: Broken) -> None:
    page = Tables(broken.forms["html"])
    found = [one for title, table in page.found for one in _rows(broken, title, table)]
    assert found
    assert [one for one in found if NUMBER.match(one[1])] == []


def test_markdown_shows_no_number(broken: Broken) -> None:
    title, table, found = "", [], []
    for line in [*broken.forms["md"].splitlines(), ""]:
        if line.startswith("## "):
            title = line[3:]
        if line.startswith("|"):
            table.append([cell.strip(" *") for cell in line.strip("|").split(" | ")])
        elif table:
            found += list(_rows(broken, title, table))
            table = []
    assert found
    assert [one for one in found if NUMBER.match(one[1])] == []


def test_the_terminal_shows_no_number(broken: Broken) -> None:
    """In a table whose last column is the guest's, a line reaches its edge with the guest's."""
    seen, wrong, title, edge = 0, [], "", 0
    lines = broken.forms["text"].splitlines()
    for line, below in zip(lines, [*lines[1:], ""], strict=True):
        if below.startswith("==="):
            title, edge = line, 0
        if re.search(r"\bcontainer +vm$", line):
            edge = len(line)
        elif not line:
            edge = 0
        elif edge and len(line) == edge and title in broken.nothing:
            seen += 1
            cell = re.split(r" {2,}", line)[-1]
            head = line.split(" ")[0]
            if NUMBER.match(cell) and head not in {"failed", "error"}:
                wrong.append((title, line))
    assert seen or not broken.nothing
    assert wrong == []


def test_json_has_null_where_nothing_was_measured(broken: Broken) -> None:
    data = msgspec.json.decode(broken.forms["json"])
    rows = [row for row in data["numbers"] if row["sandbox"] == GUEST and not row["ok"]]
    assert rows
    for row in rows:
        told = row["median"]["estimate"], row["minimum"], row["maximum"], row["to_native"]
        assert told == (None,) * 4, row["metric"]
    words = [row for row in data["words"] if row["sandbox"] == GUEST and row["status"] != "ok"]
    assert [row["words"] for row in words] == [[]] * len(words)
    cells = [cell for row in data["surface"] for cell in row["cells"] if cell["sandbox"] == GUEST]
    assert [c for c in cells if c["status"] != "ok" and c["value"] is not None] == []
    for one in data["sweeps"]:
        if one["sandbox"] == GUEST and one["error"]:
            assert (one["totals"], one["exposed"], one["changes"]) == ({}, [], [])


def test_no_sentence_counts_what_a_dead_guest_left(broken: Broken) -> None:
    for form in ("html", "md", "text"):
        shown = broken.forms[form]
        assert f"{LEFT_OVER} kinds" not in shown
        assert not re.search(r"\bvm\b[^.|<]*\b0 of \d+ (probes|leaks)", shown)
