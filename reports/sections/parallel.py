"""Show many starts at the same moment: how the rate grows with their number."""

from typing import Any

from benchmarks.results import metrics
from benchmarks.results.records import Unit
from reports.model.content import Content, Picture, said
from reports.model.rundata import RunData
from reports.renderers import units
from reports.renderers.plots.series import Series
from reports.sections import tables
from reports.sections.base import Section

_RATE = "parallel_starts_per_s"
_FEWEST = 2
"""One number of starts makes no line."""


def build(data: RunData) -> Content:
    """Show starts a second over the number asked for at once."""
    rows = data.of(metrics.PARALLEL)
    if not rows:
        return Content()
    cpus = data.info.resources.cpus
    intro = (
        "Asked for at the same moment, each by a thread of its own; what serialises them, the "
        "program that makes them included, is inside. All instances of a sandbox share the "
        f"{cpus} {'CPU' if cpus == 1 else 'CPUs'} it was given."
    )
    return Content(blocks=(said(intro), *_picture(data), tables.pivot(data, rows)))


def _picture(data: RunData) -> tuple[Picture, ...]:
    series = Series(data.info.sandboxes)
    lines = {name: _line(data, name) for name in series.names}
    lines = {name: line for name, line in lines.items() if len(line) >= _FEWEST}
    if not lines:
        return ()

    def draw() -> Any:
        from reports.renderers.plots import parallel

        return parallel.parallel(lines, series)

    told = "; ".join(
        f"{name} {count} at once {units.quantity(rate, Unit.PER_SECOND)}"
        for name, line in lines.items()
        for count, rate in line
    )
    what = (
        f"Starts a second over the number that was asked for at the same moment. {series.left_out}"
    )
    return (
        Picture("parallel-starts", "Starts a second, many asked for at once", what + told, draw),
    )


def _line(data: RunData, sandbox: str) -> list[tuple[int, float]]:
    return sorted(
        (int(row.parameters["instances"]), row.median.estimate)
        for row in data.of(metrics.PARALLEL)
        if row.metric == _RATE and row.sandbox == sandbox and row.median.estimate is not None
        if "instances" in row.parameters
    )


SECTION = Section(
    name="parallel",
    title="Many starts at once",
    place=50,
    build=build,
    workloads=(metrics.PARALLEL,),
)
