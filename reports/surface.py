"""The attack surface: a line a count, a cell a sandbox, the lists behind each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.experiments.surface import METHODS
from benchmarks.results import metrics, sample_table
from reports.isolation_model import SurfaceCell, SurfaceRow

if TYPE_CHECKING:
    from benchmarks.results.runfolder import Run


def surface(run: Run) -> tuple[SurfaceRow, ...]:
    """Return what the run says of attack surfaces, in the order of its sandboxes."""
    titles = {info.metric: info.title for info in run.info.metrics}
    order = [box.name for box in run.info.sandboxes]
    found: dict[str, list[SurfaceCell]] = {}
    for sample in sample_table.of(run.samples, metrics.SURFACE):
        if sample.metric in METHODS:
            found.setdefault(sample.metric, []).append(
                SurfaceCell(
                    sandbox=sample.sandbox,
                    value=sample.value,
                    text=sample.text,
                    status=sample.status,
                    detail=sample.detail or "",
                ),
            )
    return tuple(
        SurfaceRow(
            metric=metric,
            title=titles.get(metric, metric),
            method=METHODS[metric],
            cells=tuple(
                sorted(found[metric], key=lambda cell: order.index(cell.sandbox)),
            ),
        )
        for metric in METHODS
        if metric in found
    )
