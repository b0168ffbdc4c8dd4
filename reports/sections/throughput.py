"""Show the throughput of every workload, and its ratio to native."""

import msgspec

from benchmarks.experiments import base as experiments
from benchmarks.results.records import Unit
from reports.model.content import Content, Picture
from reports.model.declaration import declared
from reports.model.records import NumberRow
from reports.model.rundata import RunData
from reports.renderers import plots, units
from reports.renderers.plots.series import Series
from reports.sections import tables
from reports.sections.base import Section

_CAPTION = "Median throughput, and its ratio to native block by block with the 95 % interval"
_MOST_HEADLINES = 8


def build(data: RunData) -> Content:
    """Show one table and one picture of all workloads with a throughput."""
    built_in = experiments.names()
    rows = [
        row for row in data.numbers if row.unit is Unit.PER_SECOND and row.workload not in built_in
    ]
    names = list(dict.fromkeys(row.workload for row in rows))
    content = tables.counted(
        data,
        rows,
        *_picture(data, rows),
        head="Workload",
        caption=_CAPTION,
        against_native=True,
        headlines={(name, "throughput_per_s"): name for name in names[:_MOST_HEADLINES]},
    )
    left = len(names) - _MOST_HEADLINES
    more = (f"{left} more workloads stand in the report",) if left > 0 else ()
    return msgspec.structs.replace(content, facts=more)


def _picture(data: RunData, rows: list[NumberRow]) -> tuple[Picture, ...]:
    series = Series(data.info.sandboxes)
    found = [
        (row, row.to_native)
        for row in rows
        if row.to_native and row.to_native.estimate is not None and row.sandbox in series.names
    ]
    if not found:
        return ()
    factor = next(claim.factor for claim in declared().claim if claim.id == "no-extra-layer") or 0
    told = "; ".join(
        f"{row.workload} in {row.sandbox} {units.ratio(to_native)}"
        f"{'' if row.admissible else ' (inadmissible)'}"
        for row, to_native in found
    )
    what = "Ratio of each sandbox's throughput to the native one with its interval. "
    return (
        Picture(
            "throughput",
            "Throughput against native",
            what + series.left_out + told,
            lambda: plots.throughput.throughput([row for row, _ in found], factor, series),
        ),
    )


SECTION = Section(name="throughput", title="CPU and system calls", place=40, build=build)
