"""Render a report as GitHub-flavoured Markdown, for issues and wikis."""

import re
from collections.abc import Iterable, Iterator, Sequence

from reports.model.content import (
    MISSING,
    Block,
    Fold,
    Heading,
    Listing,
    Paragraph,
    Picture,
    Table,
    Terms,
    Text,
    Tone,
    Verdicts,
)  # fmt: skip
from reports.model.document import Report


def markdown(report: Report) -> str:
    """Return the report; pictures stand with their captions only."""
    document = report.document
    host = (document.host.get("identity") or {}).get("hostname") or "an unnamed host"
    parts = [
        "# What a container weighs, and what a virtual machine does",
        (
            f"Measured on {_text(host)}: "
            f"{_text(', '.join(box.name for box in document.sandboxes))}; "
            f"{document.blocks} blocks, {document.samples} samples. Run {_text(document.run)}."
        ),
        *(f"> **Read this first.** {_text(warning)}" for warning in document.warnings),
    ]
    for section in report.sections:
        if section.content.blocks:
            parts.append(f"## {_text(section.title)}")
            parts += _blocks(section.content.blocks)
    return "\n\n".join(part for part in parts if part) + "\n"


def _blocks(blocks: Iterable[Block]) -> Iterator[str]:
    for block in blocks:
        match block:
            case Table():
                yield from _captioned(block)
            case Paragraph():
                yield "".join(map(_cell, block.parts))
            case Listing():
                yield "\n".join(f"- {_text(item)}" for item in block.items)
            case Terms():
                yield "\n".join(f"- {_text(name)}: {_text(said)}" for name, said in block.pairs)
            case Heading():
                verdict = f" ({_text(block.verdict)})" if block.verdict else ""
                yield f"### {_text(block.text)}{verdict}"
            case Picture():
                yield f"*Picture, in the HTML form: {_text(block.title)}.*"
            case Verdicts():
                rows = [
                    (f"**{claim.verdict.value}**", _text(claim.title), _text(claim.reason))
                    for claim in block.claims
                ]
                yield _table(("Verdict", "Claim", "Because"), rows)
            case Fold():
                yield f"<details><summary>{_text(block.summary)}</summary>"
                yield from _blocks(block.blocks)
                yield "</details>"


def _captioned(table: Table) -> Iterator[str]:
    if table.titled:
        yield f"*{_text(table.caption)}*"
    heads = [_text(column.title) for column in table.columns]
    yield _table(heads, ([_cell(cell) for cell in row] for row in table.rows))


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(text: Text) -> str:
    """Return a text with its mark and its smaller line, on one line."""
    if isinstance(text, str):
        return _text(text)
    shown = _text(text.text)
    if text.text and text.tone is Tone.CODE:
        shown = f"`{text.text.replace('`', "'").replace('|', '/')}`"
    elif text.tone in {Tone.BAD, Tone.VERDICT}:
        shown = f"**{shown}**"
    if not text.admissible and text.text != MISSING:
        shown += " \N{DAGGER}"
    return f"{shown} ({_text(text.small)})" if text.small else shown


def _text(text: str) -> str:
    """Escape what Markdown or HTML would read as markup, and keep the text on one line."""
    lead, flat, trail = text[:1].isspace(), " ".join(text.split()), text[-1:].isspace()
    escaped = re.sub(r"([\\`*_\[\]<>|#])", r"\\\1", flat.replace("&", "&amp;"))
    return " " * lead + escaped + " " * (trail and bool(flat))
