"""Show every number of every sandbox."""

from benchmarks.results.records import Unit
from reports.model.content import MISSING, Cell, Content, Table, columns
from reports.model.records import NumberRow
from reports.model.rundata import RunData
from reports.renderers import units
from reports.sections import tables
from reports.sections.base import Section

_CAPTION = (
    "Median with its 95 % interval, smallest and largest value, samples (failed), ratio to native "
    "block by block."
)


def build(data: RunData) -> Content:
    """Show a line for each metric of each sandbox."""
    if not data.numbers:
        return Content()
    emulated = any(not row.admissible for row in data.numbers)
    table = Table(
        _CAPTION + (" † not admissible." if emulated else ""),
        columns("Metric", "Sandbox", "Median#", "Smallest#", "Largest#", "Samples#", "To native#"),
        tuple(map(_row, data.numbers)),
    )
    return Content(blocks=(table,))


def _row(row: NumberRow) -> tuple[Cell | str, ...]:
    parameters = "".join(f", {key} {value}" for key, value in row.parameters.items())
    failed = f" ({row.failed} failed)" if row.failed else ""
    return (
        Cell(row.workload, row.metric + parameters),
        row.sandbox,
        tables.number(row),
        units.quantity(row.minimum, row.unit),
        units.quantity(row.maximum, row.unit),
        f"{row.ok or MISSING}{failed}",
        _to_native(row),
    )


def _to_native(row: NumberRow) -> Cell:
    if row.to_native is None or row.to_native.estimate is None:
        return Cell(MISSING)
    interval = units.interval(row.to_native, Unit.RATIO)
    shown = units.middle(row.to_native, Unit.RATIO)
    return Cell(shown, "" if interval == MISSING else interval)


SECTION = Section(name="numbers", title="Every number", place=220, build=build)
