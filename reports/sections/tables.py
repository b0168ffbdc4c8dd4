"""Make the tables that several sections have: numbers and words, a column a sandbox."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import starmap

from benchmarks.experiments.probes import Outcome, Verdict
from benchmarks.results.records import Status, Unit
from reports.claims.exposure import OPEN
from reports.model.content import (
    MISSING,
    Block,
    Cell,
    Column,
    Content,
    Headline,
    Table,
    Text,
    Tone,
    columns,
    failed,
)  # fmt: skip
from reports.model.declaration import declared
from reports.model.records import Estimate, NumberRow, WordRow
from reports.model.rundata import RunData
from reports.renderers import units

INTERVAL = "Median over blocks and 95 % interval"
_NEUTRAL = {Verdict.SHARED_CONSTANT, Outcome.NOT_APPLICABLE, Status.UNSUPPORTED}
_FAILURES = tuple(status for status in Status if status.failure)
_SEVERITY = (
    OPEN, Verdict.SHARED_LIVE, Verdict.SHARED_CONSTANT, Verdict.NAMESPACED, Verdict.MASKED,
    Verdict.DENIED, Verdict.ABSENT, *_FAILURES, Outcome.HELD, Outcome.NOT_APPLICABLE, MISSING,
)  # fmt: skip


def heads(first: str, names: Iterable[str], *, number: bool = True) -> tuple[Column, ...]:
    """Return the heads of a table with a column a sandbox."""
    return columns(first, *(f"{name}#" if number else name for name in names))


def number(row: NumberRow, small: str | None = None) -> Cell:
    """Return a median with its interval or another smaller line; *failed* where all failed."""
    if row.median.estimate is None:
        return failed() if row.failed else Cell(MISSING)
    below = units.interval(row.median, row.unit) if small is None else small
    return Cell(
        units.middle(row.median, row.unit),
        "" if below == MISSING else below,
        admissible=row.admissible,
    )


def estimate(value: Estimate | None, unit: Unit) -> Cell:
    """Return an estimate with its interval, or why it has none."""
    if value is None or value.estimate is None:
        return Cell(MISSING)
    none = f"no interval from {value.n}"
    return Cell(
        units.middle(value, unit),
        none if value.low is None else units.interval(value, unit),
    )


def pivot(
    data: RunData, rows: Sequence[NumberRow], head: str, caption: str, *, against_native: bool
) -> Table:
    """Return a table with metrics down and sandboxes across."""
    shown = {row.sandbox for row in rows}
    names = [name for name in data.names if name in shown]
    lines: dict[str, dict[str, Cell]] = {}
    for row in rows:
        title = row.title + "".join(f", {key} {value}" for key, value in row.parameters.items())
        small = units.ratio(row.to_native) if against_native and row.to_native else None
        lines.setdefault(title, {})[row.sandbox] = number(row, small)
    empty = Cell(MISSING)
    return Table(
        caption,
        heads(head, names),
        tuple(
            (title, *(cells.get(name, empty) for name in names)) for title, cells in lines.items()
        ),
    )


def counted(
    data: RunData,
    rows: Sequence[NumberRow],
    *said_before: Block,
    head: str = "Counted",
    caption: str = INTERVAL,
    against_native: bool = False,
    headlines: Mapping[tuple[str, str], str] | None = None,
) -> Content:
    """Return the content of a section of numbers; none where there are no rows.

    Args:
        data: The run.
        rows: The numbers of the section.
        *said_before: What stands before its table: words and pictures.
        head: What the lines of the table are.
        caption: What the table shows.
        against_native: Whether a smaller line has the ratio to native, else the interval.
        headlines: Workload and metric to what their line in the summary is called.
    """
    if not rows:
        return Content()
    lines: dict[tuple[str, str], dict[str, Cell]] = {key: {} for key in headlines or {}}
    for row in rows:
        if (row.workload, row.metric) in lines and (row.ok or row.failed):
            lines[row.workload, row.metric][row.sandbox] = number(row)
    table = pivot(data, rows, head, caption, against_native=against_native)
    titled = ((title, lines[key]) for key, title in (headlines or {}).items() if lines[key])
    return Content(blocks=(*said_before, table), headlines=tuple(starmap(Headline, titled)))


def word(text: str) -> Cell:
    """Return a probe's, control's or status' word, marked by what it means."""
    if text == MISSING:
        return Cell(text)
    if text in declared().rules.leak_words or text == OPEN:
        return Cell(text, tone=Tone.BAD)
    if text in _FAILURES or text == "error":
        return Cell(text, tone=Tone.DOUBT)
    return Cell(text, tone=Tone.WORD if text in _NEUTRAL else Tone.GOOD)


def spoken(row: WordRow | None) -> str:
    """Return what was read, or what became of it."""
    if row is None:
        return MISSING
    return ", ".join(row.words) if row.status is Status.OK else row.status.value


class Matrix:
    """Probes or controls down, sandboxes across, what leaks or is open first.

    Attributes:
        names: The sandboxes with a column.
        lines: Identifier, title and the word of each sandbox.
    """

    def __init__(self, data: RunData, workload: str) -> None:
        """Take the words of a workload."""
        found: dict[str, dict[str, WordRow]] = {}
        for row in data.words:
            if row.workload == workload:
                found.setdefault(row.metric, {})[row.sandbox] = row
        shown = {name for rows in found.values() for name in rows}
        self.names = [name for name in data.names if name in shown]
        self.lines = [
            (probe, next(iter(rows.values())).title, [spoken(rows.get(n)) for n in self.names])
            for probe, rows in found.items()
        ]
        self.lines.sort(key=lambda line: [_severity(said) for said in line[2]])

    def table(self, caption: str, head: str) -> Table:
        """Return all of it."""
        return Table(
            caption,
            heads(head, self.names, number=False),
            tuple(
                (Cell(title, probe if title != probe else ""), *map(word, words))
                for probe, title, words in self.lines
            ),
        )

    def counts(self, caption: str) -> Table:
        """Return how often each word was said; a dash where nothing at all was read."""
        words = sorted({said for *_, line in self.lines for said in line}, key=_severity)
        columns = list(zip(*(line for *_, line in self.lines), strict=True))
        rows: list[tuple[Text, ...]] = [
            (word(said), *(times_said(column, said) for column in columns))
            for said in words
            if said != MISSING
        ]
        return Table(caption, heads("Verdict", self.names), tuple(rows))


def times_said(column: Sequence[str], said: str) -> str:
    """Return how often a word stands in a column; a dash where the column holds no result."""
    count = column.count(said)
    return str(count) if count or was_read(column) else MISSING


def was_read(column: Iterable[str]) -> bool:
    """Whether a column of words holds any result."""
    return any(said != MISSING and said not in _FAILURES for said in column)


def _severity(said: str) -> int:
    return _SEVERITY.index(said) if said in _SEVERITY else len(_SEVERITY)
