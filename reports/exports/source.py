"""A run as other tools want it: named numbers with their intervals, and one value a block."""

from __future__ import annotations

import math
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from benchmarks.results.records import Direction, Unit
from reports.assembly import report
from reports.model import frame
from reports.model.declaration import declared
from reports.model.presentable import presentable

if TYPE_CHECKING:
    from benchmarks.results.runfolder import Run
    from reports.comparison.changes import Comparison
    from reports.model.document import Document
    from reports.model.records import NumberRow


class Point(NamedTuple):
    """One number of a run: a median over blocks.

    Attributes:
        row: What the report says of it; its median is a finite number.
        value: The median, in the row's base unit.
        low: Lower end of its interval; None where there is no interval.
        high: Upper end, or None.
        blocks: The value of each block, in their order.
    """

    row: NumberRow
    value: float
    low: float | None
    high: float | None
    blocks: tuple[float, ...]

    @property
    def parameters(self) -> str:
        """Return what tells it from its neighbours, for example ``,vcpus=2``; empty for nothing."""
        return "".join(f",{key}={value}" for key, value in sorted(self.row.parameters.items()))

    @property
    def subject(self) -> str:
        """Return what was measured and where, for example ``container/startup``."""
        return f"{self.row.sandbox}/{self.row.workload}{self.parameters}"

    @property
    def name(self) -> str:
        """Return its whole name, for example ``container/startup/startup_main_s``."""
        return f"{self.subject}/{self.row.metric}"


class Source:
    """A run to export, and what came of comparing it with another, where it was."""

    def __init__(self, run: Run, comparison: Comparison | None = None) -> None:
        """Read nothing yet.

        Args:
            run: The run.
            comparison: Of a base run with this one, or None.
        """
        self.run = presentable(run)
        self.comparison = comparison

    @cached_property
    def document(self) -> Document:
        """The run's report as records."""
        return report(self.run).document

    @cached_property
    def points(self) -> tuple[Point, ...]:
        """Every number that was measured; what failed too often to be one is left out."""
        values = {
            key: tuple(frame.by_block(rows).tolist())
            for key, rows in frame.grouped(
                frame.tidy(self.run), "sandbox", "workload", "metric", "parameters"
            ).items()
        }
        return tuple(_points(self.document, values))

    def better(self, direction: Direction) -> list[Point]:
        """Return the numbers that are better in one direction."""
        return [point for point in self.points if point.row.direction is direction]


def _points(document: Document, values: dict[tuple[str, ...], tuple[float, ...]]) -> list[Point]:
    found = []
    for row in document.numbers:
        median = row.median
        if too_often_failed(row):
            continue
        if median.estimate is None or not math.isfinite(median.estimate) or row.unit is Unit.WORD:
            continue
        key = (row.sandbox, row.workload, row.metric, frame.parameters_key(row.parameters))
        low, high = (
            end if end is not None and math.isfinite(end) else None
            for end in (median.low, median.high)
        )
        found.append(Point(row, median.estimate, low, high, values.get(key, ())))
    return found


def too_often_failed(row: NumberRow) -> bool:
    """Tell whether more of its samples failed than anything may be decided on.

    The median of the few that went well would be a number of the good times alone.
    """
    return row.failed > declared().rules.most_failed * (row.ok + row.failed)
