"""From a matplotlib figure to an SVG element that can stand inside an HTML page.

Every colour in a figure is a *role*: a hexadecimal number no one would choose, which becomes a
CSS variable in the SVG, so that one picture serves light, dark and print. Text stays text, in the
page's own font. Identifiers get the picture's name as prefix, since several stand in one page.
"""

from __future__ import annotations

import io
import re
from contextlib import contextmanager
from html import escape
from typing import TYPE_CHECKING, Any, NamedTuple

import matplotlib as mpl
from matplotlib.figure import Figure

if TYPE_CHECKING:
    from collections.abc import Iterator

    from matplotlib.axes import Axes

INK, MUTED, GRID, PAPER, BAND = "#010101", "#010102", "#010103", "#010104", "#010105"
SERIES = ("#010110", "#010111", "#010112", "#010113", "#010114", "#010115")
"""Roles of sandboxes, in the order of a run."""
STEPS = ("#010120", "#010121", "#010122", "#010123", "#010124")
"""Roles of the boundaries of a start, in their order."""

ROLES = {
    INK: "--ink",
    MUTED: "--muted",
    GRID: "--grid",
    PAPER: "--paper",
    BAND: "--band",
    **{role: f"--series-{place}" for place, role in enumerate(SERIES)},
    **{role: f"--step-{place}" for place, role in enumerate(STEPS)},
}

WIDTH_IN = 4.4
"""Width of every picture: its 8-point text stays readable when a phone shows it at 360 pixels."""

_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "tare",
    "font.size": 8,
    "font.family": "DejaVu Sans",
    "axes.edgecolor": GRID,
    "axes.labelcolor": MUTED,
    "axes.titlecolor": INK,
    "axes.titlesize": 8,
    "axes.titlelocation": "left",
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "text.color": INK,
    "text.parse_math": False,
    "xtick.color": MUTED,
    "ytick.color": INK,
    "xtick.labelsize": 7.5,
    "ytick.labelsize": 8,
    "ytick.major.size": 0,
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "hatch.linewidth": 1.1,
    "legend.frameon": False,
    "legend.fontsize": 7.5,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "savefig.facecolor": "none",
}


class Picture(NamedTuple):
    """A picture and the words that stand for it.

    Attributes:
        name: Name in identifiers, unique in a page.
        title: Short title.
        description: What it shows, for who cannot see it.
        svg: The ``<svg>`` element, with title and description inside.
    """

    name: str
    title: str
    description: str
    svg: str


@contextmanager
def drawing(height_in: float) -> Iterator[Figure]:
    """Give a figure of the common width in the common style."""
    with mpl.rc_context(_STYLE):
        # A Figure without pyplot needs no display and is freed with its last reference.
        yield Figure(figsize=(WIDTH_IN, height_in), layout="constrained")


def picture(figure: Figure, name: str, title: str, description: str) -> Picture:
    """Turn a figure into a picture; call it inside ``drawing``."""
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    text = buffer.getvalue()
    body = text[text.index("<svg") :]
    body = re.sub(r"<metadata>.*?</metadata>", "", body, flags=re.DOTALL)
    body = re.sub(r'\sxmlns(:\w+)?="[^"]*"', "", body)
    body = body.replace("xlink:href", "href")
    body = re.sub(r'\bid="', f'id="{name}-', body)
    body = re.sub(r'href="#', f'href="#{name}-', body)
    body = re.sub(r"url\(#", f"url(#{name}-", body)
    body = re.sub(r"font: ([\d.]+)px [^;\"]*", r"font-size: \1px", body)
    body = re.sub(
        r"font: (?:bold|[5-9]00) ([\d.]+)px [^;\"]*", r"font-size: \1px; font-weight: 600", body
    )
    for role, variable in ROLES.items():
        body = body.replace(role, f"var({variable})")
    box = re.search(r'viewBox="([^"]+)"', body)
    assert box is not None  # matplotlib always writes one
    opening = (
        f'<svg viewBox="{box.group(1)}" role="img" '
        f'aria-labelledby="{name}-title {name}-desc">'
        f'<title id="{name}-title">{escape(title)}</title>'
        f'<desc id="{name}-desc">{escape(description)}</desc>'
    )
    return Picture(name, title, description, opening + body[body.index(">") + 1 :])


def quiet(axes: Axes, *, grid: str = "x") -> None:
    """Leave only what is read: no left spine, a faint grid along one axis."""
    axes.spines["left"].set_visible(False)
    axes.grid(visible=True, axis=grid)  # type: ignore[arg-type]  # a plain string does
    axes.tick_params(length=0)
