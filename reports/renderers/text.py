"""Render sections as plain text of at most 80 columns; what is folded is named only."""

import io
import textwrap
from collections.abc import Iterable, Iterator, Sequence

from rich.console import Console
from rich.table import Table as Grid
from rich.text import Text as Styled

from reports.model.content import (
    MISSING,
    Block,
    Cell,
    Column,
    Fold,
    Heading,
    Listing,
    Paragraph,
    Picture,
    Shown,
    Table,
    Terms,
    Text,
    Verdicts,
)  # fmt: skip
from reports.model.document import Report

WIDTH = 80
_GAP = 2
_LABEL = 34
"""Widest label beside columns of words and numbers; longer ones are wrapped."""
_CELL = 24
"""Widest cell of a word or number; longer ones are wrapped."""
_INDENT = "  "


def text(report: Report) -> str:
    """Return a whole report; a picture is its caption, what is folded its summary."""
    document = report.document
    host = (document.host.get("identity") or {}).get("hostname") or "an unnamed host"
    names = ", ".join(box.name for box in document.sandboxes)
    counts = f"{document.blocks} blocks, {document.samples} samples"
    head = [wrapped(f"Measured on {host}: {names}; {counts}. Run {document.run}.")]
    head += [wrapped(f"Read this first. {warning}") for warning in document.warnings]
    return "\n\n".join([*head, *sections(report.sections)]) + "\n"


def sections(shown: Iterable[Shown]) -> Iterator[str]:
    """Return the text of each section that applies."""
    for section in shown:
        if section.content.blocks:
            heading = f"{section.title}\n{'=' * len(section.title)}"
            yield "\n\n".join([heading, *filter(None, blocks(section.content.blocks))])


def blocks(shown: Iterable[Block]) -> Iterator[str]:
    """Return the text of each block."""
    for block in shown:
        match block:
            case Table():
                yield _table(block)
            case Paragraph():
                yield wrapped("".join(map(plain, block.parts)))
            case Listing():
                yield "\n".join(wrapped(f"- {item}", _INDENT) for item in block.items)
            case Terms():
                yield "\n".join(wrapped(f"{name}: {said}", _INDENT) for name, said in block.pairs)
            case Heading():
                title = block.text + (f" ({block.verdict})" if block.verdict else "")
                yield f"{title}\n{'-' * len(title)}"
            case Picture():
                yield wrapped(f"[picture, in the HTML form: {block.title}]")
            case Verdicts():
                yield _verdicts(block)
            case Fold():
                yield wrapped(f"[folded, in the HTML and JSON forms: {block.summary}]")


def wrapped(said: str, indent: str = "", first: str = "") -> str:
    """Return a paragraph of at most 80 columns; words are never broken."""
    lines = textwrap.wrap(
        said,
        WIDTH,
        initial_indent=first,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )
    return "\n".join(lines)


def plain(said: Text) -> str:
    """Return a text with its mark for emulation, without the smaller line."""
    if isinstance(said, str):
        return said
    dagger = "" if said.admissible or said.text == MISSING else " \N{DAGGER}"
    return f"{said.text}{dagger}".replace("\N{NO-BREAK SPACE}", " ")


def _cell(said: Text) -> Styled:
    """Return a cell, its smaller line below; text, not markup: a name in brackets stays one."""
    small = said.small.replace("\N{NO-BREAK SPACE}", " ") if isinstance(said, Cell) else ""
    return Styled("\n".join(filter(None, (plain(said), small))))


def _table(table: Table) -> str:
    """Draw a table; where its columns do not fit, as several below each other."""
    label = _width(table, 0, _LABEL)
    drawn = [wrapped(table.caption)] if table.titled else []
    if any(column.wrap for column in table.columns):
        drawn.append(_grid(table, list(range(1, len(table.columns))), None))
        return "\n".join(drawn)
    parts = [_grid(table, places, label) for places in _fitting(table, WIDTH - label - _GAP)]
    return "\n".join([*drawn, "\n\n".join(parts)])


def _grid(table: Table, places: Sequence[int], label: int | None) -> str:
    grid = Grid(box=None, pad_edge=False, padding=(0, _GAP, 0, 0), header_style="bold")
    grid.add_column(Styled(table.columns[0].title), width=label, overflow="fold")
    for place in places:
        column = table.columns[place]
        grid.add_column(
            Styled(column.title),
            justify="right" if column.number else "left",
            overflow="fold",
            width=None if label is None else _width(table, place, _CELL),
        )
    for row in table.rows:
        grid.add_row(_cell(row[0]), *(_cell(row[place]) for place in places))
    return printed(grid)


def _fitting(table: Table, room: int) -> list[list[int]]:
    """Split columns into groups that fit beside the labels."""
    groups: list[list[int]] = []
    left = 0
    for place in range(1, len(table.columns)):
        width = _width(table, place, _CELL) + _GAP
        if not groups or width > left:
            groups.append([])
            left = room + _GAP
        groups[-1].append(place)
        left -= width
    return groups


def _width(table: Table, place: int, most: int) -> int:
    column: Column = table.columns[place]
    lines = (line for row in table.rows for line in _cell(row[place]).plain.split("\n"))
    return min(most, max(len(line) for line in (column.title, *lines)))


def _verdicts(block: Verdicts) -> str:
    grid = Grid(box=None, pad_edge=False, padding=(0, _GAP, 0, 0), show_header=False)
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    for claim in block.claims:
        grid.add_row(claim.verdict.value, Styled(f"{claim.title}\n{claim.reason}"))
    return printed(grid)


def printed(grid: Grid) -> str:
    """Return a table as lines without trailing blanks."""
    out = io.StringIO()
    Console(file=out, width=WIDTH, highlight=False, color_system=None).print(grid)
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines())
