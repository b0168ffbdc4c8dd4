"""The tables of the page, as plain rows the template only has to loop over."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from benchmarks.experiments.sweep import totals
from benchmarks.results.records import Status, Unit
from reports import units
from reports.case import ratio
from reports.claims import declared

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reports.document_model import Document
    from reports.isolation_model import SweptSandbox
    from reports.model import Meanwhile, NumberRow, WordRow

_HOST = (
    ("hostname", "Name"),
    ("product", "Machine"),
    ("hypervisor", "Hypervisor below"),
    ("cpu_model", "CPU"),
    ("cpus", "CPUs"),
    ("smt", "SMT"),
    ("governor", "Frequency governor"),
    ("turbo", "Turbo"),
    ("memory_bytes", "Memory"),
    ("distribution", "Distribution"),
    ("kernel_release", "Kernel"),
    ("cgroup_mode", "cgroups"),
    ("clocksource", "Clock source"),
    ("thp", "Transparent huge pages"),
    ("ksm", "Same-page merging (KSM)"),
    ("lsm", "Security modules"),
    ("loadavg", "Load when the run began"),
)
_HARNESS = {
    "clock_resolution_s": "Smallest step of the clock",
    "null_command_s": "A command that does nothing, natively",
    "empty_probe_s": "The probes' agent with nothing to read, natively",
    "memory_read_s": "Reading the memory ladder once",
    "cpu_read_s": "Reading the CPU account once",
    "idle_read_s": "Reading the accounts of all threads once",
    "host_watch_s": "Looking at the host's conditions once",
}
_MEANWHILE = {
    "steal_ratio": "Stolen by the hypervisor below",
    "psi_cpu_ratio": "Some task waited for a CPU (PSI)",
    "psi_memory_ratio": "Some task waited for memory (PSI)",
    "psi_io_ratio": "Some task waited for I/O (PSI)",
    "busy_cpus": "CPUs busy, all threads of the host",
    "load1": "Load average before a visit",
}
_LEAK_ORDER = ("shared-live", "shared-constant", "namespaced", "masked", "denied", "absent")


class Cell(NamedTuple):
    """One cell of a pivot: a value, a smaller line below it, and whether it may rank."""

    value: str
    small: str = ""
    admissible: bool = True


class Pivot(NamedTuple):
    """A table with metrics down and sandboxes across."""

    columns: tuple[str, ...]
    rows: list[tuple[str, list[Cell]]]


class Matrix(NamedTuple):
    """Probes or controls down, sandboxes across, words in the cells."""

    columns: tuple[str, ...]
    rows: list[tuple[str, str, list[str]]]
    counts: list[tuple[str, list[int]]]


def pivot(report: Document, rows: Sequence[NumberRow], *, against_native: bool = False) -> Pivot:
    """Turn rows into a table with one column a sandbox."""
    shown = {row.sandbox for row in rows}
    names = tuple(box.name for box in report.sandboxes if box.name in shown)
    lines: dict[str, dict[str, Cell]] = {}
    for row in rows:
        title = row.title + "".join(f", {key} {value}" for key, value in row.parameters.items())
        small = units.interval(row.median, row.unit)
        if against_native and row.to_native is not None:
            small = ratio(row.to_native)
        cell = Cell(units.quantity(row.median.estimate, row.unit), small, row.admissible)
        lines.setdefault(title, {})[row.sandbox] = cell
    empty = Cell(units.MISSING)
    return Pivot(
        names,
        [(title, [cells.get(name, empty) for name in names]) for title, cells in lines.items()],
    )


def matrix(report: Document, workload: str) -> Matrix | None:
    """Turn the words of a workload into a matrix, what leaks or is open first."""
    rows = [row for row in report.words if row.workload == workload]
    if not rows:
        return None
    shown = {row.sandbox for row in rows}
    names = tuple(box.name for box in report.sandboxes if box.name in shown)
    cells: dict[str, dict[str, WordRow]] = {}
    for row in rows:
        cells.setdefault(row.metric, {})[row.sandbox] = row
    lines = [
        (probe, next(iter(found.values())).title, [_word(found.get(name)) for name in names])
        for probe, found in cells.items()
    ]
    lines.sort(key=lambda line: [_severity(word) for word in line[2]])
    words = sorted({word for _, _, line in lines for word in line}, key=_severity)
    counts = [
        (word, [sum(line[2][place] == word for line in lines) for place in range(len(names))])
        for word in words
        if word != units.MISSING
    ]
    return Matrix(names, lines, counts)


def sweep_totals(report: Document) -> list[tuple[str, list[str]]]:
    """Return the sweep's counts, one line a metric, one cell a sandbox."""
    return [
        (title, [_counted(swept, metric) for swept in report.sweeps])
        for metric, title in totals.TITLES.items()
    ]


def _counted(swept: SweptSandbox, metric: str) -> str:
    """Return a count with all its digits: it was counted, not estimated."""
    if swept.error is not None:
        return "error"
    return f"{swept.totals[metric]:,}".replace(",", "\u2009")


def host(report: Document) -> list[tuple[str, str]]:
    """Return what to show of the host's fingerprint; what it does not say is left out."""
    told = {**report.host.get("state", {}), **report.host.get("identity", {})}
    return [
        (label, _plain(key, told[key])) for key, label in _HOST if told.get(key) not in (None, "")
    ]


def harness(report: Document) -> list[tuple[str, str]]:
    """Return what the harness itself adds."""
    return [
        (_HARNESS.get(key, key), units.quantity(value, Unit.SECONDS))
        for key, value in report.harness.items()
    ]


def meanwhile(report: Document) -> list[tuple[str, str]]:
    """Return what the host did during the visits: median and largest."""
    return [
        (label, _spread(key, report.meanwhile[key]))
        for key, label in _MEANWHILE.items()
        if key in report.meanwhile
    ]


def _spread(key: str, told: Meanwhile) -> str:
    return f"{_share(key, told.median)} in the median visit, {_share(key, told.most)} at most"


def _share(key: str, value: float) -> str:
    return units.percent(value) if key.endswith("_ratio") else units.digits(value)


def leaking() -> frozenset[str]:
    """Return the words that count as a leak."""
    return declared().rules.leak_words


def _word(row: WordRow | None) -> str:
    if row is None:
        return units.MISSING
    if row.status is not Status.OK:
        return row.status.value
    return ", ".join(row.words)


def _severity(word: str) -> int:
    order = (
        "open",
        *_LEAK_ORDER,
        "failed",
        "timeout",
        "out-of-memory",
        "held",
        "not-applicable",
        units.MISSING,
    )
    return order.index(word) if word in order else len(order)


def _plain(key: str, value: Any) -> str:
    if key.endswith("_bytes"):
        return units.quantity(float(value), Unit.BYTES)
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, dict):
        return ", ".join(f"{inner}: {_plain(inner, one)}" for inner, one in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(_plain(key, one) for one in value)
    return str(value)
