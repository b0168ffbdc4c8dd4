"""Tables of at most 80 columns, however many sandboxes there are."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, NamedTuple

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Sequence

WIDTH = 80
_GAP = 2
_LABEL = 34
"""Widest label beside the columns; longer ones are cut."""


class Row(NamedTuple):
    """A line: its label, and a cell for each column. Without cells it is a heading."""

    label: str
    cells: tuple[str, ...] = ()


def show(head: str, columns: Sequence[str], rows: Sequence[Row], *, right: bool = False) -> None:
    """Print a table on standard output; where the columns do not fit, as several below each other.

    Args:
        head: What the labels are.
        columns: Heads of the columns.
        rows: The lines.
        right: Whether cells are numbers, set to the right.
    """
    console = Console(width=WIDTH, highlight=False)
    label = min(_LABEL, max(len(text) for text in (head, *(row.label for row in rows))))
    for places in _fitting(columns, rows, WIDTH - label):
        table = Table(box=None, pad_edge=False, padding=(0, _GAP, 0, 0), header_style="bold")
        table.add_column(Text(head), width=label, no_wrap=True, overflow="ellipsis")
        for place in places:
            # Text, not markup: a name in brackets stays a name.
            table.add_column(
                Text(columns[place]),
                justify="right" if right else "left",
                no_wrap=True,
                overflow="ellipsis",
            )
        for row in rows:
            if row.cells:
                table.add_row(Text(row.label), *(Text(row.cells[place]) for place in places))
            else:
                table.add_row(Text(row.label, style="bold"))
        with console.capture() as drawn:
            console.print(table)
        click.echo("\n".join(line.rstrip() for line in drawn.get().splitlines()))


def say(text: str, indent: str = "") -> None:
    """Print a paragraph of at most 80 columns on standard output; words are never broken."""
    lines = textwrap.wrap(
        text,
        WIDTH,
        initial_indent=indent,
        subsequent_indent=indent or "  ",
        break_long_words=False,
        break_on_hyphens=False,
    )
    click.echo("\n".join(lines))


def _fitting(columns: Sequence[str], rows: Sequence[Row], room: int) -> list[list[int]]:
    """Split columns into groups that fit beside the labels."""
    groups: list[list[int]] = []
    left = 0
    for place, name in enumerate(columns):
        cells = (len(row.cells[place]) for row in rows if row.cells)
        width = max(len(name), *cells, 0) + _GAP
        if not groups or width > left:
            groups.append([])
            left = room
        groups[-1].append(place)
        left -= width
    return groups
