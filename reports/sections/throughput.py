"""Show the throughput of every workload, and its ratio to native."""

from typing import Any

from benchmarks.results import metrics
from benchmarks.results.records import Unit
from reports.model.content import Content, Picture
from reports.model.declaration import declared
from reports.model.records import NumberRow
from reports.model.rundata import RunData
from reports.renderers import units
from reports.renderers.plots.series import Series
from reports.sections import tables
from reports.sections.base import Section

_MOST_HEADLINES = 8


def build(data: RunData) -> Content:
    """Show one table and one picture of all workloads with a throughput."""
    rows = [
        row
        for row in data.numbers
        if row.unit is Unit.PER_SECOND and row.workload not in metrics.BUILT_IN
    ]
    if not rows:
        return Content()
    caption = "Median throughput, and its ratio to native block by block with the 95 % interval"
    names = list(dict.fromkeys(row.workload for row in rows))
    left = len(names) - _MOST_HEADLINES
    return Content(
        blocks=(
            *_picture(data, rows),
            tables.pivot(data, rows, "Workload", caption, against_native=True),
        ),
        headlines=tuple(
            line
            for name in names[:_MOST_HEADLINES]
            for line in tables.headlines(data, name, {"throughput_per_s": name})
        ),
        facts=(f"{left} more workloads stand in the report",) if left > 0 else (),
    )


def _picture(data: RunData, rows: list[NumberRow]) -> tuple[Picture, ...]:
    series = Series(data.info.sandboxes)
    found = [row for row in rows if row.to_native and row.to_native.estimate is not None]
    found = [row for row in found if row.sandbox in series.names]
    if not found:
        return ()
    factor = next(claim.factor for claim in declared().claim if claim.id == "no-extra-layer") or 0

    def draw() -> Any:
        from reports.renderers.plots import throughput

        return throughput.throughput(found, factor, series)

    told = "; ".join(
        f"{row.workload} in {row.sandbox} {units.ratio(row.to_native)}"
        f"{'' if row.admissible else ' (inadmissible)'}"
        for row in found
        if row.to_native
    )
    what = (
        f"Ratio of each sandbox's throughput to the native one with its interval. {series.left_out}"
    )
    return (Picture("throughput", "Throughput against native", what + told, draw),)


SECTION = Section(name="throughput", title="CPU and system calls", place=40, build=build)
