"""Show a publication's figures beside the run's, where the campaign names one."""

from collections import Counter

from benchmarks.results.records import Unit
from reports.claims.reproduction import Reproduced, ReproducedRow, Reproduction, reproduction
from reports.model.content import MISSING, Cell, Content, Listing, Table, Tone, columns, said
from reports.model.rundata import RunData
from reports.renderers import units
from reports.sections.base import Section

_COLUMNS = columns("Row", "System", "Published#", "Here#", "Verdict", "Because~")


def build(data: RunData) -> Content:
    """Show every published figure with a verdict."""
    found = reproduction(data)
    if found is None:
        return Content(records={"reproduction": None})
    counts = Counter(row.verdict for row in found.rows)
    told = ", ".join(f"{counts[verdict]} {verdict.value}" for verdict in Reproduced)
    return Content(
        title=f"Beside the published: {found.name}",
        blocks=(
            said(f"{found.title}. Figures from {found.source}. Measured on {found.host}."),
            said(found.rule, muted=True),
            Listing(found.caveats),
            Table(
                "Published figures and this run's",
                _COLUMNS,
                tuple(map(_row, found.rows)),
                titled=False,
            ),
        ),
        records={"reproduction": found},
        facts=(f"{found.name}: {told}",),
    )


def _row(row: ReproducedRow) -> tuple[Cell, ...]:
    of_title = ("unverified" if row.unverified else "", row.boundary)
    figure = f"{row.figure:,.10g}".replace(",", "\u2009") + f"\u00a0{row.unit}"
    ratio = MISSING if row.published is None else f"{units.digits(row.published)}{units.TIMES}"
    return (
        Cell(row.title, "; ".join(filter(None, of_title))),
        Cell(row.system, row.sandbox or ""),
        Cell(figure, "" if row.absolute else ratio),
        Cell(_here(row)),
        Cell(row.verdict.value, tone=Tone.VERDICT),
        Cell(row.reason, row.note),
    )


def _here(row: ReproducedRow) -> str:
    """Return what this run has to lay beside a published figure."""
    if row.measured is None:
        return MISSING
    unit = Unit.RATIO
    if row.absolute:
        unit = Unit.BYTES if row.unit == "KiB" else Unit.SECONDS
    return units.estimate(row.measured, unit)


SECTION = Section(
    name="published",
    title="Beside the published",
    place=170,
    build=build,
    records={"reproduction": Reproduction | None},
)
