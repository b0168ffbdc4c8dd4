"""Show many starts at the same moment: how the rate grows with their number."""

from benchmarks.results import metrics
from benchmarks.results.records import Unit
from reports.model.content import Content, Picture, said
from reports.model.rundata import RunData
from reports.renderers import plots, units
from reports.renderers.plots.series import Series
from reports.sections import tables
from reports.sections.base import Section

_INTRO = (
    "Asked for at the same moment, each by a thread of its own; what serialises them, the program "
    "that makes them included, is inside. All instances of a sandbox share the {} it was given."
)
_RATE = "parallel_starts_per_s"
_FEWEST = 2
"""One number of starts makes no line."""


def build(data: RunData) -> Content:
    """Show starts a second over the number asked for at once."""
    cpus = data.info.resources.cpus
    intro = said(_INTRO.format("1 CPU" if cpus == 1 else f"{cpus} CPUs"))
    return tables.counted(data, data.of(metrics.PARALLEL), intro, *_picture(data))


def _picture(data: RunData) -> tuple[Picture, ...]:
    series = Series(data.info.sandboxes)
    lines = {name: _line(data, name) for name in series.names}
    lines = {name: line for name, line in lines.items() if len(line) >= _FEWEST}
    if not lines:
        return ()
    told = "; ".join(
        f"{name} {count} at once {units.quantity(rate, Unit.PER_SECOND)}"
        for name, line in lines.items()
        for count, rate in line
    )
    what = "Starts a second over the number that was asked for at the same moment. "
    return (
        Picture(
            "parallel-starts",
            "Starts a second, many asked for at once",
            what + series.left_out + told,
            lambda: plots.parallel.parallel(lines, series),
        ),
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
