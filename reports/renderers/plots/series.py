"""Choose which sandboxes a picture shows, and how each looks, the same in every picture."""

from collections.abc import Sequence
from typing import NamedTuple

from benchmarks.results.records import SandboxInfo
from reports.renderers.plots.roles import SERIES

MOST = len(SERIES)
"""More series than there are colours told apart by everyone make no picture."""

_FIXED = ("native", "container", "vm")
_MARKERS = "osD^vP"


class Look(NamedTuple):
    """How a sandbox is drawn; shape and colour go together, so neither is needed alone."""

    colour: str
    marker: str
    emulated: bool


class Series:
    """The sandboxes of a report, as its pictures show them.

    Attributes:
        names: Those that are drawn: all where they are few, else the plain ones before variants.
        left_out: A sentence about the others; empty where all are drawn.
    """

    def __init__(self, boxes: Sequence[SandboxInfo]) -> None:
        """Choose among these."""
        chosen = [box.name for box in sorted(boxes, key=lambda box: ":" in box.name)[:MOST]]
        self.names = [box.name for box in boxes if len(boxes) <= MOST or box.name in chosen]
        count = len(boxes) - len(self.names)
        self.left_out = f"{count} more sandboxes stand in the table only. " if count else ""
        self._emulated = {box.name for box in boxes if not box.admissible_cpu}
        self._places = {kind: place for place, kind in enumerate(_FIXED)}
        free = list(range(len(_FIXED), MOST))
        for name in self.names:
            if name not in self._places:
                self._places[name] = free.pop(0) if free else len(self._places) % MOST

    @property
    def any_emulated(self) -> bool:
        """Whether the CPU of any sandbox is emulated."""
        return bool(self._emulated)

    def look(self, name: str) -> Look:
        """Return how a sandbox is drawn."""
        place = self._places.get(name, 0)
        return Look(SERIES[place], _MARKERS[place], name in self._emulated)
