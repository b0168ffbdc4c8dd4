"""Show the memory of one idle instance, counted in each way there is."""

from benchmarks.results import metrics
from reports.model.content import Cell, Content, Picture, said
from reports.model.rundata import RunData
from reports.renderers import plots, units
from reports.renderers.plots.series import Series
from reports.sections import tables
from reports.sections.base import Section

_INTRO = (
    "Of one idle instance, after it has settled. Each rung counts something else; ",
    Cell("the method", target="method"),
    " says what.",
)
_RUNGS = {
    "uss_bytes": "unique (USS)",
    "pss_bytes": "proportional (PSS)",
    "rss_bytes": "resident (RSS)",
    "cgroup_bytes": "memory cgroup",
    "memavailable_delta_bytes": "MemAvailable falls by",
    "vmm_bytes": "VMM beyond RAM",
    "guest_ram_bytes": "guest RAM, resident",
    "guest_used_bytes": "in use by the guest",
}
_HEADLINES = {
    (metrics.MEMORY, "pss_bytes"): "memory (PSS)",
    (metrics.MEMORY, "guest_used_bytes"): "used in the guest",
}


def build(data: RunData) -> Content:
    """Show the ladder and all its numbers."""
    return tables.counted(
        data,
        data.of(metrics.MEMORY),
        said(*_INTRO),
        *_picture(data),
        caption="Median and 95 % interval",
        headlines=_HEADLINES,
    )


def _picture(data: RunData) -> tuple[Picture, ...]:
    """Draw what is positive: the axis is logarithmic."""
    series = Series(data.info.sandboxes)
    found = [
        row
        for row in data.of(metrics.MEMORY)
        if (row.median.estimate or 0) > 0 and row.metric in _RUNGS and row.sandbox in series.names
    ]
    used = {row.metric for row in found}
    rungs = {metric: label for metric, label in _RUNGS.items() if metric in used}
    if not rungs:
        return ()
    told = "; ".join(
        f"{row.sandbox} {_RUNGS[row.metric]} {units.quantity(row.median.estimate, row.unit)}"
        for row in found
    )
    what = "Median of each way to count an idle instance's memory, on a logarithmic axis. "
    return (
        Picture(
            "memory-ladder",
            "Memory of one idle instance",
            what + series.left_out + told,
            lambda: plots.memory.memory(found, rungs, series),
        ),
    )


SECTION = Section(name="memory", title="Memory", place=30, build=build, workloads=(metrics.MEMORY,))
