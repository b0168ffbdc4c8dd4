"""Show what every probe and control read, with the evidence."""

from reports.claims.exposure import LOOKED_AT
from reports.model.content import MISSING, Content, Table, columns
from reports.model.rundata import RunData
from reports.sections import tables
from reports.sections.base import Section

_COLUMNS = columns("Probe", "Sandbox", "Verdict", "Evidence~")


def build(data: RunData) -> Content:
    """Show a line for each probe in each sandbox."""
    rows = tuple(
        (row.metric, row.sandbox, tables.word(tables.spoken(row)), row.detail or MISSING)
        for row in data.words
        if row.workload in LOOKED_AT
    )
    if not rows:
        return Content()
    return Content(blocks=(Table("Every probe's reading", _COLUMNS, rows, titled=False),))


SECTION = Section(name="readings", title="Every probe's reading", place=230, build=build)
