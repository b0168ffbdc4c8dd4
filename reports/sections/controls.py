"""Show which ways out of each sandbox are closed."""

from benchmarks.experiments import probes
from benchmarks.results import metrics
from reports.model.content import Content, said
from reports.model.rundata import RunData
from reports.sections import tables
from reports.sections.base import Section


def build(data: RunData) -> Content:
    """Show every control, what is open first."""
    matrix = tables.Matrix(data, metrics.CONTROLS)
    if not matrix.lines:
        return Content()
    intro = (
        "Ways out that are tried from inside, harmlessly: opened and closed again, never used. In "
        "the container's default profile each is expected to hold."
    )
    return Content(
        blocks=(
            said(intro),
            matrix.counts("Controls by outcome"),
            matrix.table("Escape-prevention controls", "Control"),
        )
    )


def _about() -> dict[str, str]:
    return {control.id: control.why for control in probes.controls()}


SECTION = Section(
    name="controls",
    title="What is closed",
    place=100,
    build=build,
    workloads=(metrics.CONTROLS,),
    explains=_about,
)
