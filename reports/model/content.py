"""Describe a section as plain data: the blocks that every renderer can show."""

from collections.abc import Callable
from enum import StrEnum
from typing import Any

import msgspec

from reports.model.records import Judgement

MISSING = "\N{EN DASH}"
"""Stands where there is no value; a failure has a word."""


class Tone(StrEnum):
    """How a word is marked: by what it means, never by colour alone."""

    PLAIN = ""
    CODE = "code"
    WORD = "word"
    BAD = "leak"
    GOOD = "kept"
    DOUBT = "trouble"
    VERDICT = "verdict"


class Cell(msgspec.Struct, frozen=True):
    """A text, in a table or a paragraph.

    Attributes:
        text: What it says.
        small: A second, smaller line.
        tone: How it is marked.
        admissible: False where emulation makes a number meaningless for ranking.
        target: Identifier of the section or heading that it leads to.
    """

    text: str
    small: str = ""
    tone: Tone = Tone.PLAIN
    admissible: bool = True
    target: str = ""


type Text = str | Cell


class Column(msgspec.Struct, frozen=True):
    """Head of a column; numbers stand to the right, long texts are wrapped."""

    title: str
    number: bool = False
    wrap: bool = False


class Table(msgspec.Struct, frozen=True):
    """A table; the first cell of a row is its head.

    Attributes:
        caption: What it shows.
        columns: Its columns, that of the heads included.
        rows: Its lines.
        titled: Whether the caption is shown; else it only names the table for screen readers.
    """

    caption: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Text, ...], ...]
    titled: bool = True


class Paragraph(msgspec.Struct, frozen=True):
    """Sentences; muted where they are no news."""

    parts: tuple[Text, ...]
    muted: bool = False


class Listing(msgspec.Struct, frozen=True):
    """Sentences below each other."""

    items: tuple[str, ...]


class Terms(msgspec.Struct, frozen=True):
    """Labels with their values."""

    pairs: tuple[tuple[str, str], ...]


class Heading(msgspec.Struct, frozen=True):
    """A heading inside a section, with a claim's verdict where it names a claim."""

    text: str
    verdict: str = ""
    anchor: str = ""


class Picture(msgspec.Struct, frozen=True):
    """A picture, drawn only by a renderer that can show it.

    Attributes:
        name: Name in identifiers, unique in a report.
        title: Its caption.
        description: What it shows, for who cannot see it.
        draw: Draws it: a matplotlib figure.
    """

    name: str
    title: str
    description: str
    draw: Callable[[], Any]


class Verdicts(msgspec.Struct, frozen=True):
    """Claims with their verdicts and reasons."""

    claims: tuple[Judgement, ...]


class Fold(msgspec.Struct, frozen=True):
    """Evidence that is shown when asked for."""

    summary: str
    blocks: tuple["Block", ...]


type Block = Table | Paragraph | Listing | Terms | Heading | Picture | Verdicts | Fold


class Headline(msgspec.Struct, frozen=True):
    """A line of the summary that ends a run: a cell for each sandbox, by name."""

    title: str
    cells: dict[str, Cell]


class Content(msgspec.Struct, frozen=True, kw_only=True):
    """What a section has to say of one run.

    Attributes:
        blocks: What is shown; none where the section does not apply to the run.
        title: A title that depends on the run; else the section's own.
        records: What the JSON form holds of it, by key.
        headlines: Its lines in the summary that ends a run.
        facts: Its sentences there, each of one line.
    """

    blocks: tuple[Block, ...] = ()
    title: str = ""
    records: dict[str, Any] = {}
    headlines: tuple[Headline, ...] = ()
    facts: tuple[str, ...] = ()


class Shown(msgspec.Struct, frozen=True):
    """A section as a report holds it."""

    name: str
    title: str
    content: Content


def columns(*titles: str) -> tuple[Column, ...]:
    """Return columns by their titles: with ``#`` behind it one of numbers, ``~`` of long texts."""
    return tuple(
        Column(title.rstrip("#~"), number=title.endswith("#"), wrap=title.endswith("~"))
        for title in titles
    )


def said(*parts: Text, muted: bool = False) -> Paragraph:
    """Return a paragraph."""
    return Paragraph(parts, muted)


def failed(why: str = "") -> Cell:
    """Return what stands where a measurement failed: the word, never a number."""
    return Cell("failed", why, Tone.DOUBT)
