"""Show the attack surface: a line a count, a cell a sandbox, the lists behind each."""

import msgspec

from benchmarks.experiments.surface import METHODS
from benchmarks.results import metrics, sample_table
from benchmarks.results.records import Status
from reports.model.content import MISSING, Cell, Content, Fold, Table, Terms, said
from reports.model.rundata import RunData
from reports.sections import tables
from reports.sections.base import Section

_INTRO = (
    "Which of the host's system calls each sandbox makes for the same everyday work, and which it "
    "may make. Counts of different methods say different things and are never added or compared."
)


class SurfaceCell(msgspec.Struct, frozen=True, kw_only=True):
    """One count or word of one sandbox's attack surface.

    Attributes:
        sandbox: Its name.
        value: The count, or None.
        text: The word, or None.
        status: ``unsupported`` where there can be none.
        detail: What was counted, or why there is nothing.
    """

    sandbox: str
    value: float | None
    text: str | None
    status: Status
    detail: str


class SurfaceRow(msgspec.Struct, frozen=True, kw_only=True):
    """One count of the attack surface in every sandbox, found by one method."""

    metric: str
    title: str
    method: str
    cells: tuple[SurfaceCell, ...]


def build(data: RunData) -> Content:
    """Show the counts, and folded what is behind each."""
    rows = surface(data)
    if not rows:
        return Content(records={"surface": rows})
    names = [name for name in data.names if any(c.sandbox == name for r in rows for c in r.cells)]
    found = {(row.metric, cell.sandbox): cell for row in rows for cell in row.cells}
    counts = Table(
        "Counts, and how each is found",
        tables.heads("Counted", names),
        tuple(
            (Cell(row.title, row.method), *(_cell(found.get((row.metric, name))) for name in names))
            for row in rows
        ),
    )
    behind = tuple(
        Fold(
            f"{name}: what is behind these counts",
            (
                Terms(
                    tuple(
                        (row.title, cell.detail or MISSING)
                        for row in rows
                        for cell in row.cells
                        if cell.sandbox == name
                    )
                ),
            ),
        )
        for name in names
    )
    return Content(blocks=(said(_INTRO), counts, *behind), records={"surface": rows})


def surface(data: RunData) -> tuple[SurfaceRow, ...]:
    """Return what the run says of attack surfaces, in the order of its sandboxes."""
    titles = {info.metric: info.title for info in data.info.metrics}
    found: dict[str, list[SurfaceCell]] = {}
    for sample in sample_table.of(data.run.samples, metrics.SURFACE):
        if sample.metric in METHODS:
            found.setdefault(sample.metric, []).append(
                SurfaceCell(
                    sandbox=sample.sandbox,
                    value=sample.value,
                    text=sample.text,
                    status=sample.status,
                    detail=sample.detail or "",
                )
            )
    return tuple(
        SurfaceRow(
            metric=metric,
            title=titles.get(metric, metric),
            method=METHODS[metric],
            cells=tuple(
                cell for name in data.names for cell in found[metric] if cell.sandbox == name
            ),
        )
        for metric in METHODS
        if metric in found
    )


def _cell(cell: SurfaceCell | None) -> Cell:
    if cell is None or cell.status is Status.UNSUPPORTED:
        return Cell(MISSING)
    if cell.status is not Status.OK:
        return tables.word(cell.status.value)
    if cell.value is None:
        return Cell(cell.text or MISSING)
    return Cell(f"{cell.value:.0f}")


SECTION = Section(
    name="surface",
    title="Attack surface",
    place=120,
    build=build,
    records={"surface": tuple[SurfaceRow, ...]},
    workloads=(metrics.SURFACE,),
    explains=lambda: METHODS,
)
