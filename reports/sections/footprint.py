"""Show what it costs to have an instance: idle, in little memory, from cold caches."""

from benchmarks.results import metrics
from reports.model.content import Content, said
from reports.model.rundata import RunData
from reports.sections import tables
from reports.sections.base import Section

_HEADLINES = {
    metrics.SMALLEST: {"smallest_ram_bytes": "smallest memory"},
    metrics.COLD: {"cold_main_s": "start, cold caches"},
    metrics.IDLE: {"idle_cpu_s_per_s": "CPU when idle", "idle_wakeups_per_s": "wake-ups when idle"},
}


def build(data: RunData) -> Content:
    """Show the three in one table."""
    rows = data.of(*_HEADLINES)
    if not rows:
        return Content()
    intro = (
        "An instance that nobody asks anything of; the smallest memory in which it starts and "
        "works; and a start after the host's caches were dropped."
    )
    return Content(
        blocks=(said(intro), tables.pivot(data, rows)),
        headlines=tuple(
            line
            for workload, titles in _HEADLINES.items()
            for line in tables.headlines(data, workload, titles)
        ),
    )


SECTION = Section(
    name="footprint",
    title="What it costs to have one",
    place=70,
    build=build,
    workloads=tuple(_HEADLINES),
)
