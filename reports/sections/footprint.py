"""Show what it costs to have an instance: idle, in little memory, from cold caches."""

from benchmarks.results import metrics
from reports.model.content import Content, said
from reports.model.rundata import RunData
from reports.sections import tables
from reports.sections.base import Section

_INTRO = (
    "An instance that nobody asks anything of; the smallest memory in which it starts and works; "
    "and a start after the host's caches were dropped."
)
_HEADLINES = {
    (metrics.SMALLEST, "smallest_ram_bytes"): "smallest memory",
    (metrics.COLD, "cold_main_s"): "start, cold caches",
    (metrics.IDLE, "idle_cpu_s_per_s"): "CPU when idle",
    (metrics.IDLE, "idle_wakeups_per_s"): "wake-ups when idle",
}
_WORKLOADS = (metrics.IDLE, metrics.COLD, metrics.SMALLEST)


def build(data: RunData) -> Content:
    """Show the three in one table."""
    return tables.counted(data, data.of(*_WORKLOADS), said(_INTRO), headlines=_HEADLINES)


SECTION = Section(
    name="footprint", title="What it costs to have one", place=70, build=build, workloads=_WORKLOADS
)
