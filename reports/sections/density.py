"""Show what each further idle instance takes of the host."""

from benchmarks.results import metrics
from reports.model.content import Content, said
from reports.model.rundata import RunData
from reports.sections import tables
from reports.sections.base import Section

_INTRO = (
    "Idle instances started one after the other and kept: what each further one takes of the "
    "host's memory, and what is shared."
)
_HEADLINES = {(metrics.DENSITY, "density_slope_bytes"): "each further one"}


def build(data: RunData) -> Content:
    """Show slope, intercept and what is shared."""
    return tables.counted(data, data.of(metrics.DENSITY), said(_INTRO), headlines=_HEADLINES)


SECTION = Section(
    name="density", title="Many that stay", place=60, build=build, workloads=(metrics.DENSITY,)
)
