"""The summary that ends a run in the terminal: verdicts and headline numbers in 80 columns."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from benchmarks.experiments import base as experiments
from benchmarks.results import metrics
from benchmarks.results.records import Unit
from reports import units
from reports.model import Reproduced, Verdict

if TYPE_CHECKING:
    from reports.document_model import Document
    from reports.model import ControlPlaneRow, NumberRow, Reproduction

WIDTH = 80

_STYLES = {
    Verdict.SUPPORTED: "green",
    Verdict.SUPPORTED_BOUND: "green",
    Verdict.EQUIVALENT: "green",
    Verdict.REFUTED: "bold red",
    Verdict.INCONCLUSIVE: "yellow",
    Verdict.NOT_TESTABLE: "dim",
}
_HEADLINES = (
    (metrics.STARTUP, "startup_main_s", "start"),
    (metrics.MEMORY, "pss_bytes", "memory (PSS)"),
    (metrics.MEMORY, "guest_used_bytes", "used in the guest"),
    (metrics.DENSITY, "density_slope_bytes", "each further one"),
    (metrics.SMALLEST, "smallest_ram_bytes", "smallest memory"),
    (metrics.COLD, "cold_main_s", "start, cold caches"),
    (metrics.IDLE, "idle_cpu_s_per_s", "CPU when idle"),
    (metrics.IDLE, "idle_wakeups_per_s", "wake-ups when idle"),
)
_MOST_SANDBOXES = 4
_MOST_RATES = 8


def summary_table(report: Document) -> Table:
    """Return one table: a line a headline metric, then a line a claim."""
    names = [box.name for box in report.sandboxes][:_MOST_SANDBOXES]
    grid = Table.grid(padding=(0, 0), expand=False)
    grid.add_row(_numbers(report, names))
    grid.add_row(Text())
    grid.add_row(_claims(report))
    if report.control_planes:
        grid.add_row(Text())
        for row in report.control_planes:
            grid.add_row(_added(row))
    if report.reproduction:
        grid.add_row(Text())
        grid.add_row(_reproduced(report.reproduction))
    if any(not row.admissible for row in report.numbers):
        grid.add_row(Text("\N{DAGGER} emulated CPU: not admissible for ranking", style="dim"))
    left_out = len(report.sandboxes) - len(names)
    if left_out > 0:
        grid.add_row(Text(f"{left_out} more sandboxes stand in the report", style="dim"))
    return grid


def _numbers(report: Document, names: list[str]) -> Table:
    table = Table(box=None, width=WIDTH, pad_edge=False, header_style="bold")
    table.add_column("median", ratio=2, overflow="ellipsis", no_wrap=True)
    for name in names:
        # Text, not markup: a name in brackets stays a name.
        table.add_column(Text(name), justify="right", ratio=1, overflow="ellipsis", no_wrap=True)
    found = {(row.workload, row.metric, row.sandbox): row for row in report.numbers}
    rates = dict.fromkeys(
        row.workload
        for row in report.numbers
        if row.unit is Unit.PER_SECOND and row.workload not in experiments.names()
    )
    shown = list(rates)[:_MOST_RATES]
    headlines = [*_HEADLINES, *((name, "throughput_per_s", name) for name in shown)]
    for workload, metric, title in headlines:
        cells = [_cell(found.get((workload, metric, name))) for name in names]
        if any(cell.plain != units.MISSING for cell in cells):
            table.add_row(Text(title), *cells)
    if len(rates) > len(shown):
        table.add_row(Text(f"and {len(rates) - len(shown)} more workloads", style="dim"))
    return table


def _cell(row: NumberRow | None) -> Text:
    if row is None or row.median.estimate is None:
        return Text(units.MISSING, style="dim")
    shown = units.quantity(row.median.estimate, row.unit).replace("\u00a0", " ")
    if row.admissible:
        return Text(shown)
    return Text(f"{shown} \N{DAGGER}", style="dim")


def _claims(report: Document) -> Table:
    table = Table(box=None, width=WIDTH, pad_edge=False, show_header=False)
    table.add_column("verdict", width=17, no_wrap=True)
    table.add_column("claim", overflow="fold")
    for claim in report.claims:
        table.add_row(
            Text(claim.verdict.value, style=_STYLES[claim.verdict]),
            Text(claim.title),
        )
    return table


def _added(row: ControlPlaneRow) -> Text:
    """Return one line: what a manager adds to its runtime."""
    said = units.estimate(row.added, Unit.SECONDS).replace("\u00a0", " ")
    return Text(f"{row.manager} adds {said} to a {row.title} of {row.runtime}")


def _reproduced(laid: Reproduction) -> Text:
    """Return one line: how many published figures came to which verdict."""
    counts = Counter(row.verdict for row in laid.rows)
    said = ", ".join(f"{counts[verdict]} {verdict.value}" for verdict in Reproduced)
    return Text(f"{laid.name}: {said}")
