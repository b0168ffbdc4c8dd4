"""Render a comparison as text for people and as JSON for programs."""

import io
from typing import Any

import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from reports.comparison.changes import Change, Comparison, Effect
from reports.model.content import MISSING
from reports.renderers import units

WIDTH = 100

_ORDER = (Effect.WORSE, Effect.BETTER, Effect.INCONCLUSIVE, Effect.EQUAL)


def text(comparison: Comparison) -> str:
    """Return a comparison as plain text, what is worse first."""
    if not comparison.comparable:
        return f"not comparable: {comparison.reason}\n"
    out = io.StringIO()
    if comparison.blind:
        out.write(f"{comparison.blind}\n\n")
    console = Console(file=out, width=WIDTH, color_system=None, highlight=False, markup=False)
    judged = [change for change in comparison.changes if change.effect is not Effect.CONTEXT]
    judged.sort(key=lambda change: _ORDER.index(change.effect))
    table = Table(box=None, pad_edge=False)
    for name in ("", "sandbox", "metric", "base", "new", "new / base", "raw", "because"):
        table.add_column(name, justify="right" if name in {"base", "new"} else "left")
    for change in judged:
        table.add_row(*(Text(cell) for cell in _cells(change)))
    console.print(table)
    for word in comparison.words:
        console.print(
            f"{word.effect.value}: {word.title}, in {word.sandbox}: {word.base} became {word.new}"
        )
    for sandbox, workload in comparison.lost:
        console.print(f"worse: {workload}, in {sandbox}: measured before, and now in vain")
    for note in comparison.notes:
        console.print(note)
    if any(change.by_native for change in judged):
        console.print(
            "new / base is of each value over native's in the same block; raw is without."
        )
    verdict = _verdict(comparison)
    console.print(
        f"{verdict}: {comparison.reason} (threshold {units.percent(comparison.threshold)})"
    )
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines()) + "\n"


def json(comparison: Comparison) -> str:
    """Return a comparison as JSON, with the verdict beside what it rests on."""
    data: dict[str, Any] = msgspec.to_builtins(comparison)
    return (
        msgspec.json.format(
            msgspec.json.encode({"regressed": comparison.regressed, **data}), indent=2
        ).decode()
        + "\n"
    )


def _verdict(comparison: Comparison) -> str:
    if comparison.regressed:
        return "regressed"
    return "undecided" if comparison.undecided else "no regression found"


def _raw(change: Change) -> str:
    """Return the ratio that is not normalised, where there is another."""
    if not change.by_native or change.raw is None or change.raw.estimate is None:
        return ""
    return f"{units.digits(change.raw.estimate)}{units.TIMES}"


def _cells(change: Change) -> tuple[str, ...]:
    parameters = "".join(f", {key} {value}" for key, value in change.parameters.items())
    return (
        change.effect.value,
        change.sandbox,
        f"{change.workload} {change.metric}{parameters}",
        units.quantity(change.base.estimate, change.unit),
        units.quantity(change.new.estimate, change.unit),
        units.ratio(change.ratio) if change.ratio else MISSING,
        _raw(change),
        change.reason,
    )
