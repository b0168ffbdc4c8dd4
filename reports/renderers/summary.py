"""Render the summary that ends a run in the terminal: a row a sandbox, then the verdicts.

It takes the width there is. Columns that do not fit beside each other follow below, so that no
sandbox and no figure is left out and no name is cut.
"""

from collections.abc import Iterator, Sequence

from rich.console import Console, ConsoleOptions, RenderableType
from rich.table import Table
from rich.text import Text

from reports.model.content import MISSING, Cell, Headline
from reports.model.document import Report
from reports.model.records import Verdict
from reports.renderers.text import plain

_STYLES = {
    Verdict.SUPPORTED: "green",
    Verdict.SUPPORTED_BOUND: "green",
    Verdict.EQUIVALENT: "green",
    Verdict.REFUTED: "bold red",
    Verdict.INCONCLUSIVE: "yellow",
    Verdict.NOT_TESTABLE: "dim",
}
_FIRST = "median"
_GAP = 2
_TITLE = 12
"""Characters of a title that a column makes room for; a longer one is wrapped between words."""


class Summary:
    """The headlines of all sections, a line a claim, then their facts."""

    def __init__(self, report: Report) -> None:
        """Take the report."""
        self._report = report
        self._names = [box.name for box in report.document.sandboxes]

    def __rich_console__(
        self, console: Console, options: ConsoleOptions
    ) -> Iterator[RenderableType]:
        """Yield the parts for the width that a console has."""
        del console
        lines = [line for one in self._report.sections for line in one.content.headlines]
        shown = [line for line in lines if any(name in line.cells for name in self._names)]
        for group in self._groups(shown, options.max_width):
            yield self._grid(group, options.max_width)
            yield Text()
        yield self._claims()
        facts = [fact for section in self._report.sections for fact in section.content.facts]
        if facts:
            yield Text()
        for fact in facts:
            yield Text(fact.replace("\N{NO-BREAK SPACE}", " "))
        if any(not row.admissible for row in self._report.document.numbers):
            yield Text("\N{DAGGER} emulated CPU: not admissible for ranking", style="dim")

    def _groups(self, lines: Sequence[Headline], width: int) -> list[list[Headline]]:
        """Split the headlines into those whose columns stand beside each other."""
        groups: list[list[Headline]] = []
        room = left = width - self._label(width)
        for line in lines:
            taken = _GAP + self._width(line)
            if not groups or taken > left:
                groups.append([])
                left = room
            groups[-1].append(line)
            left -= taken
        return groups

    def _label(self, width: int) -> int:
        """Return the width of the sandboxes' column: of its longest name, if that leaves room."""
        longest = max(map(len, (_FIRST, *self._names)))
        return min(longest, max(width // 2, len(_FIRST)))

    def _width(self, line: Headline) -> int:
        cells = (len(_cell(line.cells.get(name)).plain) for name in self._names)
        return max(*cells, min(len(line.title), _TITLE), *map(len, line.title.split()))

    def _grid(self, lines: Sequence[Headline], width: int) -> Table:
        table = Table(box=None, pad_edge=False, padding=(0, _GAP, 0, 0), header_style="bold")
        table.add_column(_FIRST, width=self._label(width), overflow="fold")
        for line in lines:
            # Text, not markup: a name in brackets stays a name.
            title = Text(line.title)
            table.add_column(title, justify="right", width=self._width(line), overflow="fold")
        for name in self._names:
            table.add_row(Text(name), *(_cell(line.cells.get(name)) for line in lines))
        return table

    def _claims(self) -> Table:
        table = Table(box=None, pad_edge=False, show_header=False)
        table.add_column("verdict", width=17, no_wrap=True)
        table.add_column("claim", overflow="fold")
        for claim in self._report.document.claims:
            verdict = Text(claim.verdict.value, style=_STYLES[claim.verdict])
            table.add_row(verdict, Text(claim.title))
        return table


def _cell(cell: Cell | None) -> Text:
    if cell is None or cell.text == MISSING:
        return Text(MISSING, style="dim")
    return Text(plain(cell), style="" if cell.admissible else "dim")
