"""The pages a user reads, taken apart: code blocks, commands, links and headings."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from markdown_it import MarkdownIt

if TYPE_CHECKING:
    from collections.abc import Iterator

    from markdown_it.token import Token

ROOT = Path(__file__).parents[2]
PAGES = (
    *sorted(path for path in ROOT.glob("*.md") if path.name != "CHANGELOG.md"),
    *sorted(ROOT.glob("docs/**/*.md")),
)
PROGRAMS = ("tare", "tare-oci", "make", "pytest", "python", "scripts")
_SEPARATORS = re.compile(r"\s*(?:&&|\|\||;|\bdo\b)\s+")
_PROMPT = re.compile(r"^[$#] (?=[a-z.])")
_PLACEHOLDER = re.compile(r"[A-Z][A-Z0-9_|-]*(\.\.\.)?")


@dataclass(frozen=True)
class Block:
    """A fenced block of code: its page, line, language and text."""

    page: Path
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


@dataclass(frozen=True)
class Command:
    """A command that a page names, in words; `where` is its page and line."""

    where: str
    program: str
    words: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.where} {' '.join((self.program, *self.words))}"


@cache
def tokens(page: Path) -> tuple[Token, ...]:
    """Return the page's tokens, those within a line directly behind its block."""
    found: list[Token] = []
    for token in MarkdownIt("commonmark").enable("table").parse(page.read_text()):
        found.append(token)
        for child in token.children or ():
            child.map = child.map or token.map
            found.append(child)
    return tuple(found)


def blocks(*languages: str) -> list[Block]:
    """Return the blocks of all pages in one of the languages ("" where none is named)."""
    return [
        Block(page, (token.map or [0])[0] + 1, token.info.strip(), token.content)
        for page in PAGES
        for token in tokens(page)
        if token.type == "fence" and token.info.strip() in languages
    ]


def commands() -> list[Command]:
    """Return every command of ours that stands in a block or in a line of text as code."""
    found: list[Command] = []
    for block in blocks("", "console", "bash", "sh"):
        for line in _commands_of(block.text):
            found += _split(str(block), line)
    for page in PAGES:
        for token in tokens(page):
            if token.type == "code_inline":
                where = f"{page.relative_to(ROOT)}:{(token.map or [0])[0] + 1}"
                found += _split(where, token.content)
    return found


def _commands_of(text: str) -> Iterator[str]:
    for line in text.replace("\\\n", " ").splitlines():
        told = _PROMPT.sub("", line)
        if told and not told[0].isspace():
            # a synopsis: what it does stands in a column of its own
            yield re.split(r"\s{2,}", told)[0]


def _split(where: str, line: str) -> list[Command]:
    return [found for part in _SEPARATORS.split(line) if (found := _command(where, part))]


def _command(where: str, text: str) -> Command | None:
    try:
        # what a shell puts in is the reader's own
        words = shlex.split(re.sub(r"\$\([^)]*\)", "$WORD", text), comments=True)
    except ValueError:
        return None
    while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
        words.pop(0)
    if not words or "=" in words[0]:
        return None
    name = words[0].removeprefix(".venv/bin/")
    program = "scripts" if name.startswith("scripts/") else name
    if program not in PROGRAMS or "…" in text:
        return None
    kept = words if program == "scripts" else words[1:]
    ends = (i for i, word in enumerate(kept) if re.match(r"\d?[<>|]", word))
    return Command(where, program, tuple(kept[: next(ends, len(kept))]))


def variants(words: tuple[str, ...]) -> Iterator[list[str]]:
    """Yield the command lines that a synopsis stands for: each alternative of each word once."""
    plain = [word.strip("[]").removesuffix("...").rstrip("[]") for word in words]
    plain = [word for word in plain if word]
    first = [word.split("|")[0] for word in plain]
    yield first
    for place, word in enumerate(plain):
        for other in word.split("|")[1:]:
            option = re.match(r"--[a-z-]+=", word)
            yield [*first[:place], (option.group() if option else "") + other, *first[place + 1 :]]


def is_placeholder(word: str) -> bool:
    """Tell whether a word stands for a reader's own: capitals, or a shell's substitution."""
    return bool(_PLACEHOLDER.fullmatch(word)) or "$" in word or "{" in word or "<" in word


def anchors(page: Path) -> set[str]:
    """Return what a link may name on a page, as GitHub and mkdocs make it of the headings."""
    found: dict[str, int] = {}
    listed = tokens(page)
    for place, token in enumerate(listed):
        if token.type == "heading_open":
            children = listed[place + 1].children or ()
            text = "".join(one.content for one in children if one.type in {"text", "code_inline"})
            slug = re.sub(r"[^\w\- ]", "", text.strip().lower()).replace(" ", "-")
            again = found.get(slug, 0)
            found[slug] = again + 1
            if again:
                found[f"{slug}-{again}"] = 1
    return set(found)


def links(page: Path) -> list[tuple[int, str]]:
    """Return the lines and targets of a page's links and pictures that lead to no other site."""
    found = []
    for token in tokens(page):
        target = str(token.attrs.get("href" if token.type == "link_open" else "src", ""))
        if target and not re.match(r"[a-z]+:", target):
            found.append(((token.map or [0])[0] + 1, target))
    return found
