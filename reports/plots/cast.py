"""Which sandboxes a picture shows, and how each looks, the same in every picture of a report."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from reports.plots import svg

if TYPE_CHECKING:
    from benchmarks.results.records import SandboxInfo
    from reports.document_model import Document

MOST = len(svg.SERIES)
"""More series than there are colours told apart by everyone make no picture."""

_FIXED = ("native", "container", "vm")
_MARKERS = "osD^vP"


class Look(NamedTuple):
    """How a sandbox is drawn; shape and colour go together, so neither is needed alone."""

    colour: str
    marker: str
    emulated: bool


def cast(report: Document) -> list[SandboxInfo]:
    """Return the sandboxes to draw: all where they are few, else the plain ones before variants."""
    boxes = list(report.sandboxes)
    if len(boxes) <= MOST:
        return boxes
    chosen = sorted(boxes, key=lambda box: ":" in box.name)[:MOST]
    return [box for box in boxes if box in chosen]


def look(report: Document, name: str) -> Look:
    """Return how a sandbox is drawn."""
    boxes = cast(report)
    free = [place for place in range(MOST) if place >= len(_FIXED)]
    places = {kind: place for place, kind in enumerate(_FIXED)}
    for box in boxes:
        if box.name not in places:
            places[box.name] = free.pop(0) if free else len(places) % MOST
    place = places.get(name, 0)
    emulated = any(box.name == name and not box.admissible_cpu for box in report.sandboxes)
    return Look(svg.SERIES[place], _MARKERS[place], emulated)


def left_out(report: Document) -> str:
    """Say which sandboxes a picture leaves to its table; empty where it shows all."""
    count = len(report.sandboxes) - len(cast(report))
    return f"{count} more sandboxes stand in the table only. " if count else ""
