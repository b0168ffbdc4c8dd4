"""Render a history as text for people and as JSON for programs."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from typing import Any

import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from reports.comparison.changes import Effect
from reports.history.records import Finding, History, Series, Sort
from reports.model.content import MISSING
from reports.renderers import units

WIDTH = 100
_MOST_COMMITS = 8
_MOST_LINES = 40


def json(history: History) -> str:
    """Return a history as JSON, with the verdict beside what it rests on."""
    data: dict[str, Any] = msgspec.to_builtins(history)
    whole = msgspec.json.encode({"regressed": history.regressed, **data})
    return msgspec.json.format(whole, indent=2).decode() + "\n"


def text(history: History) -> str:
    """Return a history as plain text: alarms, what else changed and stands, what is missing."""
    out = io.StringIO()
    console = Console(file=out, width=WIDTH, color_system=None, highlight=False, markup=False)
    console.print(summary(history))
    for note in history.notes:
        console.print(note)
    for title, group in groups(history):
        out.write(f"\n{title}\n")
        _show(history, title, group, console)
    if history.missing:
        out.write("\nTo know more\n")
        for said in history.missing[:_MOST_LINES]:
            console.print(f"  {said}", soft_wrap=True)
    console.print(f"\n{verdict(history)}")
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines()) + "\n"


def _show(
    history: History, title: str, group: list[tuple[Series, Finding]], console: Console
) -> None:
    table = Table(box=None, pad_edge=False)
    for name in ("", "series", "since run", "new / old", "before", "after", "p"):
        table.add_column(name, justify="right" if name in {"before", "after"} else "left")
    for one, found in group[:_MOST_LINES]:
        table.add_row(*(Text(cell) for cell in cells(history, one, found)))
    console.print(table)
    if len(group) > _MOST_LINES:
        console.print(f"and {len(group) - _MOST_LINES:,} more: --format json has them all")
    if title in {ALARMS, _ACKNOWLEDGED}:
        for one, found in group[:_MOST_LINES]:
            for line in reasons(found):
                console.print(f"  {one.name}: {line}", soft_wrap=True)


ALARMS = "Worse, and not acknowledged"
_ACKNOWLEDGED = "Acknowledged"
_BETTER = "Better"
_OTHER = "Worse and no alarm: small, not sure enough, or the host's"
_CONTEXT = "Context: changes of what is not judged"


def groups(history: History) -> list[tuple[str, list[tuple[Series, Finding]]]]:
    """Return what stands, under the title it belongs to, those titles that have any."""
    found: dict[str, list[tuple[Series, Finding]]] = {
        title: [] for title in (ALARMS, _ACKNOWLEDGED, _BETTER, _OTHER, _CONTEXT)
    }
    for one in history.series:
        for each in one.findings:
            if each.standing and one.current:
                found[_title(one, each)].append((one, each))
    return [(title, group) for title, group in found.items() if group]


def _title(one: Series, found: Finding) -> str:
    if found.alarm:
        return ALARMS
    if found.acknowledged:
        return _ACKNOWLEDGED
    if one.role == "context":
        return _CONTEXT
    return _BETTER if found.effect is Effect.BETTER else _OTHER


def summary(history: History) -> str:
    """Return what was looked at, in a line."""
    first, last = (_day(history.runs[place].created_at) for place in (0, -1))
    hosts = f", {len(history.hosts)} classes of hosts" if len(history.hosts) > 1 else ""
    return (
        f"{_count(len(history.runs), 'run')} from {first} to {last}{hosts}: "
        f"{len(history.series)} series, {history.tested} of them judged."
    )


def verdict(history: History) -> str:
    """Return how it ends, in a line."""
    found = len(history.alarms)
    if found:
        return f"regressed: {_count(found, 'alarm')} (threshold {units.percent(history.threshold)})"
    if not history.tested:
        return "undecided: no series has enough runs to be judged"
    return f"no regression stands (threshold {units.percent(history.threshold)})"


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _day(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d")


def cells(history: History, one: Series, found: Finding) -> tuple[str, ...]:
    """Return a finding as the cells of a line."""
    marks = [mark for mark, holds in (("provisional", found.provisional),) if holds]
    marks += [found.sort.value] if found.sort is not Sort.CHANGE else []
    host = f" ({one.host})" if len(history.hosts) > 1 else ""
    return (
        ", ".join([found.effect.value, *marks]),
        f"{one.name}{host}",
        history.runs[found.at].run,
        units.ratio(found.ratio) if found.ratio else MISSING,
        units.quantity(found.before, one.shown_unit),
        "failed" if found.sort is Sort.FAILED else units.quantity(found.after, one.shown_unit),
        units.p_value(found.p).removeprefix("p ").removeprefix("= ") if found.p is not None else "",
    )


def reasons(found: Finding) -> list[str]:
    """Return what is known of where a finding comes from, a line each."""
    if found.acknowledged:
        return [f"Acknowledged: {found.acknowledged}"]
    lines = [f"{said[:1].upper()}{said[1:]}" for said in found.differences]
    if found.epoch:
        lines.insert(0, "An epoch begins there: another kernel or image")
    if found.host_like:
        lines.insert(0, f"Looks like the host: {found.host_like}")
    if found.commits:
        shown = ", ".join(commit[:12] for commit in found.commits[:_MOST_COMMITS])
        more = len(found.commits) - _MOST_COMMITS
        lines.append(f"Commits: {shown}{f' and {more} more' if more > 0 else ''}")
    if found.bisect:
        lines.append(f"Find it: {found.bisect}")
    return lines
