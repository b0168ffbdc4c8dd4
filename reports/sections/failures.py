"""Show what was tried and gave nothing, counted by its reason."""

from reports.model.content import Cell, Content, Table, columns, said
from reports.model.rundata import RunData
from reports.sections import tables
from reports.sections.base import Section

_MOST = 40


def build(data: RunData) -> Content:
    """Show the most frequent failures, or that there are none."""
    if not data.failures:
        return Content(blocks=(said("None: every measurement that was tried gave a value."),))
    table = Table(
        "Failures",
        columns("Sandbox", "Metric", "Status", "Times#", "Why~"),
        tuple(
            (
                row.sandbox,
                Cell(row.workload, row.metric),
                tables.word(row.status.value),
                str(row.count),
                row.detail or "no reason recorded",
            )
            for row in data.failures[:_MOST]
        ),
        titled=False,
    )
    left = len(data.failures) - _MOST
    more = f"And {left} more kinds of failure, in the JSON form of this report."
    return Content(blocks=(table, said(more)) if left > 0 else (table,))


SECTION = Section(name="failures", title="Failures", place=210, build=build)
