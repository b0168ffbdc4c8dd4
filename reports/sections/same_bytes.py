"""Show the digest of one file of the image as each sandbox reads it."""

from benchmarks.results import metrics
from benchmarks.results.records import Status
from reports.model.content import Cell, Content, Table, Tone, columns, failed
from reports.model.records import WordRow
from reports.model.rundata import RunData
from reports.sections.base import Section


def build(data: RunData) -> Content:
    """Show every digest that was read, a line a sandbox."""
    rows = [row for row in data.words if row.workload == metrics.CHECKSUM]
    if not rows:
        return Content()
    table = Table(
        "Digest of one file of the image as each sandbox reads it, over all blocks",
        columns("Sandbox", "Digest~"),
        tuple((row.sandbox, _digest(row)) for row in rows),
    )
    return Content(blocks=(table,))


def _digest(row: WordRow) -> Cell:
    read = ", ".join(row.words)
    if row.status is Status.OK:
        return Cell(read, tone=Tone.CODE)
    why = f"{row.status.value}: {row.detail}"
    return Cell(read, why, Tone.CODE) if read else failed(why)


SECTION = Section(
    name="bytes", title="The same bytes", place=160, build=build, workloads=(metrics.CHECKSUM,)
)
