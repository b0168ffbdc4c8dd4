"""Render the page: words through an autoescaping template, pictures as inline SVG."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path

import jinja2
from markupsafe import Markup

from reports.model.content import MISSING, Block, Cell, Picture, Text, Tone
from reports.model.document import Report
from reports.renderers.plots import svg

_HERE = Path(__file__).parent
_LONG = 26
"""Smaller lines that are longer may be wrapped."""

_GLYPHS = {
    "supported": "\N{CHECK MARK}",
    "supported (bound)": "\N{CHECK MARK}",
    "equivalent": "=",
    "refuted": "\N{BALLOT X}",
    "inconclusive": "?",
    "not testable here": "\N{EN DASH}",
    "reproduced": "\N{CHECK MARK}",
    "not reproduced": "\N{BALLOT X}",
}


def html(report: Report) -> str:
    """Return the page as text."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_HERE),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "grouped": _grouped,
        "svg": _drawn,
        "cell": _cell,
        "badge": _badge,
        "breakable": lambda name: Markup(":<wbr>").join(name.split(":")),
    }
    return environment.get_template("report.html.j2").render(
        report=report.document,
        sections=[section for section in report.sections if section.content.blocks],
        style=Markup((_HERE / "style.css").read_text(encoding="utf-8")),  # noqa: S704  # our own file
        when=datetime.fromtimestamp(report.document.created_at, UTC).strftime(
            "%-d %B %Y, %H:%M UTC"
        ),
    )


def _grouped(blocks: Iterable[Block]) -> Iterator[tuple[str, list[Block]]]:
    """Return blocks by the name of their kind, pictures that follow each other together."""
    for kind, found in groupby(blocks, lambda block: type(block).__name__):
        if kind == Picture.__name__:
            yield kind, list(found)
        else:
            yield from ((kind, [block]) for block in found)


def _cell(text: Text) -> Markup:
    """Return a text as it is marked, its smaller line below."""
    cell = Cell(text) if isinstance(text, str) else text
    shown = Markup("{}").format(cell.text)
    if cell.target:
        shown = Markup('<a href="#{}">{}</a>').format(cell.target, shown)
    elif cell.tone is Tone.VERDICT:
        shown = _badge(cell.text)
    elif cell.tone is Tone.CODE and cell.text:
        shown = Markup("<code>{}</code>").format(shown)
    elif cell.tone is not Tone.PLAIN and cell.tone is not Tone.CODE:
        tone = "" if cell.tone is Tone.WORD else f" {cell.tone}"
        shown = Markup('<span class="word{}">{}</span>').format(tone, shown)
    if not cell.admissible and cell.text != MISSING:
        shown += Markup("&nbsp;\N{DAGGER}")
    if cell.small:
        loose = Markup(' class="loose"') if len(cell.small) > _LONG else ""
        shown += Markup("<small{}>{}</small>").format(loose, cell.small)
    return shown


def _badge(verdict: str) -> Markup:
    slug = verdict.replace(" ", "-").replace("(", "").replace(")", "")
    return Markup('<span class="badge {}">{} {}</span>').format(slug, _GLYPHS[verdict], verdict)


def _drawn(picture: Picture) -> Markup:
    """Let a picture through the escaping: every text in it was escaped when it was made."""
    return Markup(svg.element(picture))  # noqa: S704  # see docstring
