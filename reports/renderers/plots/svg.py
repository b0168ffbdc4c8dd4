"""Turn a matplotlib figure into an SVG element that can stand inside an HTML page.

Text stays text, in the page's own font. Identifiers get the picture's name as prefix, since several
stand in one page.
"""

import io
import re
from html import escape
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from reports.model.content import Picture
from reports.renderers.plots.roles import GRID, INK, MUTED, ROLES

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


def figure(height_in: float) -> Figure:
    """Return a figure of the common width; without pyplot it is freed with its last reference."""
    return Figure(figsize=(WIDTH_IN, height_in), layout="constrained")


def element(picture: Picture) -> str:
    """Draw a picture, and return its ``<svg>`` element with title and description inside."""
    buffer = io.StringIO()
    with mpl.rc_context(_STYLE):
        picture.draw().savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    text, name = buffer.getvalue(), picture.name
    body = text[text.index("<svg") :]
    body = re.sub(r"<metadata>.*?</metadata>", "", body, flags=re.DOTALL)
    body = re.sub(r'\sxmlns(:\w+)?="[^"]*"', "", body)
    body = body.replace("xlink:href", "href")
    body = re.sub(r'\bid="', f'id="{name}-', body)
    body = re.sub(r'(?<!<a )href="#', f'href="#{name}-', body)  # links lead out into the page
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
        f'<title id="{name}-title">{escape(picture.title)}</title>'
        f'<desc id="{name}-desc">{escape(picture.description)}</desc>'
    )
    return opening + body[body.index(">") + 1 :]


def quiet(axes: Axes, *, grid: str = "x") -> None:
    """Leave only what is read: no left spine, a faint grid along one axis."""
    axes.spines["left"].set_visible(False)
    axes.grid(visible=True, axis=grid)  # type: ignore[arg-type]  # a plain string does
    axes.tick_params(length=0)
