"""Render the summary that ends a run in the terminal: headlines and verdicts in 80 columns."""

from rich.table import Table
from rich.text import Text

from reports.model.content import MISSING, Cell
from reports.model.document import Report
from reports.model.records import Verdict
from reports.renderers.text import WIDTH, plain

_STYLES = {
    Verdict.SUPPORTED: "green",
    Verdict.SUPPORTED_BOUND: "green",
    Verdict.EQUIVALENT: "green",
    Verdict.REFUTED: "bold red",
    Verdict.INCONCLUSIVE: "yellow",
    Verdict.NOT_TESTABLE: "dim",
}
_MOST_SANDBOXES = 4


def summary_table(report: Report) -> Table:
    """Return one table: the headlines of all sections, a line a claim, then their facts."""
    names = [box.name for box in report.document.sandboxes]
    grid = Table.grid(padding=(0, 0), expand=False)
    grid.add_row(_headlines(report, names[:_MOST_SANDBOXES]))
    grid.add_row(Text())
    grid.add_row(_claims(report))
    facts = [fact for section in report.sections for fact in section.content.facts]
    if facts:
        grid.add_row(Text())
    for fact in facts:
        grid.add_row(Text(fact.replace("\N{NO-BREAK SPACE}", " ")))
    if any(not row.admissible for row in report.document.numbers):
        grid.add_row(Text("\N{DAGGER} emulated CPU: not admissible for ranking", style="dim"))
    left_out = len(names) - _MOST_SANDBOXES
    if left_out > 0:
        grid.add_row(Text(f"{left_out} more sandboxes stand in the report", style="dim"))
    return grid


def _headlines(report: Report, names: list[str]) -> Table:
    table = Table(box=None, width=WIDTH, pad_edge=False, header_style="bold")
    table.add_column("median", ratio=2, overflow="ellipsis", no_wrap=True)
    for name in names:
        # Text, not markup: a name in brackets stays a name.
        table.add_column(Text(name), justify="right", ratio=1, overflow="ellipsis", no_wrap=True)
    for section in report.sections:
        for line in section.content.headlines:
            if any(name in line.cells for name in names):
                table.add_row(Text(line.title), *(_cell(line.cells.get(name)) for name in names))
    return table


def _cell(cell: Cell | None) -> Text:
    if cell is None or cell.text == MISSING:
        return Text(MISSING, style="dim")
    return Text(plain(cell), style="" if cell.admissible else "dim")


def _claims(report: Report) -> Table:
    table = Table(box=None, width=WIDTH, pad_edge=False, show_header=False)
    table.add_column("verdict", width=17, no_wrap=True)
    table.add_column("claim", overflow="fold")
    for claim in report.document.claims:
        table.add_row(Text(claim.verdict.value, style=_STYLES[claim.verdict]), Text(claim.title))
    return table
