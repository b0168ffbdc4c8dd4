"""What holds for every section, without naming any."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import jsonschema
import msgspec
import pytest

import reports
from reports import sections
from reports.assembly import report
from reports.model.content import MISSING, Cell, Fold, Table
from reports.renderers.export import json
from reports.renderers.html import html
from reports.renderers.markdown import markdown
from reports.renderers.text import plain, text
from tests.unit.reports.sections.everything import SANDBOXES, WHY, everything

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from benchmarks.results.runfolder import Run
    from reports.model.content import Block
    from reports.model.document import Report

FAILED = ("vm", "container:no-pid")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Report:
    return report(everything(tmp_path_factory.mktemp("whole")))


@pytest.fixture(scope="module")
def broken_run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return everything(tmp_path_factory.mktemp("broken"), frozenset(FAILED))


@pytest.fixture(scope="module")
def broken(broken_run: Run) -> Report:
    return report(broken_run)


def tables(blocks: Iterable[Block]) -> Iterator[Table]:
    for block in blocks:
        if isinstance(block, Table):
            yield block
        elif isinstance(block, Fold):
            yield from tables(block.blocks)


def test_names_and_places_are_unique() -> None:
    found = sections.every()
    assert len({one.name for one in found}) == len(found) > 20
    assert len({one.place for one in found}) == len(found)
    keys = [key for one in found for key in one.records]
    assert len(set(keys)) == len(keys)


def test_every_section_applies_to_a_run_of_everything(whole: Report) -> None:
    assert [one.name for one in whole.sections if not one.content.blocks] == []


def test_a_row_has_a_cell_for_every_column(whole: Report) -> None:
    for section in whole.sections:
        for table in tables(section.content.blocks):
            widths = {len(row) for row in table.rows}
            assert widths == {len(table.columns)}, (section.name, table.caption)


@pytest.mark.parametrize("form", [html, markdown, text])
def test_every_title_and_caption_is_in_every_form(
    whole: Report, form: Callable[[Report], str]
) -> None:
    shown = " ".join(re.sub(r"<[^>]*>|&[#\w]+;|[\\*`]", "", form(whole)).split())
    for section in whole.sections:
        assert section.title.partition("'")[0] in shown
        for block in section.content.blocks:
            if isinstance(block, Table) and block.titled:
                assert block.caption.partition("'")[0] in shown, section.name


def test_nothing_that_failed_looks_like_a_number(broken: Report) -> None:
    """A cell of a failed sandbox is a dash or *failed*; what was tried in vain is counted apart."""
    seen = 0
    for section in broken.sections:
        for table in tables(section.content.blocks):
            for line in rows_of_failed(table):
                seen += 1
                for cell in line:
                    assert not re.match(r"[\N{MINUS SIGN}-]?[\d<]", cell), (
                        section.name,
                        table.caption,
                        line,
                    )
    assert seen > 200


def test_no_sentence_counts_what_failed(broken: Report) -> None:
    said = [line for line in markdown(broken).splitlines() if not line.startswith("|")]
    about = [line for line in said if line.startswith(FAILED) or "<summary>vm" in line]
    assert not [line for line in about if re.search(r"\b(0|no)\b (files?|kinds)", line)]


def rows_of_failed(table: Table) -> Iterator[list[str]]:
    """Return the cells of the failed sandboxes: of their column, or of their row."""
    titles = [column.title for column in table.columns]
    for row in table.rows:
        head = plain(row[0])
        if head in {"failed", "error"}:
            continue  # counts the failures themselves
        for name in FAILED:
            if name in titles:
                yield [plain(row[titles.index(name)])]
        if "Sandbox" in titles and plain(row[titles.index("Sandbox")]) in FAILED:
            numbers = [place for place, column in enumerate(table.columns) if column.number]
            yield [plain(row[place]) for place in numbers if titles[place] != "Times"]
        pair = [title for title in titles if title in {f"{name} → {name}" for name in FAILED}]
        yield from ([plain(row[titles.index(title)])] for title in pair)


def test_the_summary_says_failed_too(broken: Report) -> None:
    lines = [line for section in broken.sections for line in section.content.headlines]
    assert len(lines) > 5
    for line in lines:
        assert line.cells.get("vm", Cell(MISSING)).text in {MISSING, "failed"}


def test_the_json_form_keeps_its_keys_and_its_schema(whole: Report) -> None:
    data = msgspec.json.decode(json(whole))
    jsonschema.validate(data, reports.schema())
    for section in sections.every():
        assert section.records.keys() <= data.keys()


def test_readings_say_what_broke(broken_run: Run) -> None:
    workloads = {name for one in sections.every() for name in one.workloads}
    found = [one for one in reports.readings(broken_run, workloads) if one.status.failure]
    assert {one.sandbox.partition("→")[0] for one in found} == set(FAILED)
    assert {one.word for one in found} == {"error"}
    assert {one.evidence for one in found} == {WHY, f"error: {WHY}"}


def test_text_fits_in_eighty_columns_whatever_stands_in_it(whole: Report) -> None:
    shown = text(whole)
    assert max(map(len, shown.splitlines())) <= 80
    assert all(name in shown for name in SANDBOXES)
