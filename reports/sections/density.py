"""Show what each further idle instance takes of the host."""

from benchmarks.results import metrics
from reports.model.content import Content, said
from reports.model.rundata import RunData
from reports.sections import tables
from reports.sections.base import Section


def build(data: RunData) -> Content:
    """Show slope, intercept and what is shared."""
    rows = data.of(metrics.DENSITY)
    if not rows:
        return Content()
    intro = (
        "Idle instances started one after the other and kept: what each further one takes of the "
        "host's memory, and what is shared."
    )
    titles = {"density_slope_bytes": "each further one"}
    return Content(
        blocks=(said(intro), tables.pivot(data, rows)),
        headlines=tables.headlines(data, metrics.DENSITY, titles),
    )


SECTION = Section(
    name="density", title="Many that stay", place=60, build=build, workloads=(metrics.DENSITY,)
)
