"""Fill the page's template: everything it says is made here, and escaped there."""

from __future__ import annotations

import base64
import hashlib
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import jinja2
from markupsafe import Markup

from reports.comparison.changes import Effect
from reports.history import views
from reports.history.page import pictures
from reports.history.records import Finding, History, Series, Sort
from reports.model.content import MISSING
from reports.renderers import html as report
from reports.renderers import units

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_HERE = Path(__file__).parent
_REPORT_STYLE = Path(report.__file__).parent / "style.css"
_MOST_RUNS = 60
"""Runs that a series' table shows: the last ones. The picture and the JSON form have all."""
_COMMIT = 12


def html(history: History, folder: Path) -> str:
    """Return the page as text.

    Args:
        history: What it shows.
        folder: Where it will lie, for links to the runs' reports.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_HERE),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    links = _links(history, folder)
    script = (_HERE / "page.js").read_text(encoding="utf-8")
    style = _REPORT_STYLE.read_text(encoding="utf-8") + (_HERE / "page.css").read_text("utf-8")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return environment.get_template("page.html.j2").render(
        history=history,
        summary=views.summary(history),
        verdict=views.verdict(history),
        groups=[
            (
                title,
                [{"id": one.id, "cells": views.cells(history, one, found)} for one, found in rows],
            )
            for title, rows in views.groups(history)
        ],
        epochs=_epochs(history),
        series=[_series(history, one, links) for one in history.series],
        style=Markup(style),  # noqa: S704  # our own files
        script=Markup(script),  # noqa: S704
        script_hash=f"sha256-{digest}",
    )


def _epochs(history: History) -> dict[str, list[dict[str, str]]]:
    found: dict[str, list[dict[str, str]]] = {host.name: [] for host in history.hosts}
    for epoch in history.epochs:
        mark = history.runs[epoch.first]
        found[epoch.host].append(
            {
                "run": mark.run,
                "day": _day(mark.created_at),
                "said": "; ".join(epoch.changed) or "the first run",
            }
        )
    return found


def _series(history: History, one: Series, links: Mapping[int, str]) -> dict[str, Any]:
    edges = pictures.span(one)
    known = [value for value in one.values if value is not None]
    failed = one.values[-1] is None
    changed = [found for found in one.findings if found.sort is Sort.CHANGE]
    begins = [epoch.first for epoch in history.epochs if epoch.host == one.host and epoch.changed]
    count = f"{len(one.runs)} run{'' if len(one.runs) == 1 else 's'}"
    shown = len(one.runs[-_MOST_RUNS:])
    return {
        "id": one.id,
        "name": one.name,
        "host": one.host,
        "text": f"{one.name} {one.title} {one.host}".lower(),
        "state": " ".join(_states(one)),
        "last": _last(history, one, changed),
        "spark": pictures.spark(one),
        "chart": pictures.chart(one, begins),
        "now": "failed" if failed else units.quantity(known[-1], one.shown_unit),
        "count": count,
        "about": _about(history, one),
        "most": units.quantity(edges.high, one.shown_unit) if edges else "",
        "least": units.quantity(edges.low, one.shown_unit) if edges else "",
        "first_day": _day(history.runs[one.runs[0]].created_at),
        "last_day": _day(history.runs[one.runs[-1]].created_at),
        "findings": [_finding(history, one, found) for found in reversed(one.findings)],
        "caption": "All runs, the last first" if shown == len(one.runs) else f"The last {shown}",
        "runs": _runs(history, one, links),
    }


def _states(one: Series) -> list[str]:
    last = [found for found in one.findings if found.standing]
    found = [found.effect.value for found in last if found.effect in {Effect.WORSE, Effect.BETTER}]
    found += ["alarm"] * any(each.alarm for each in last)
    found += ["acknowledged"] * any(each.acknowledged for each in last)
    found += ["judged"] * (one.role == "judged")
    return [*found, *["ended"] * (not one.current)]


def _last(history: History, one: Series, changed: Sequence[Finding]) -> str:
    """Say in a line what became of a series last."""
    newest = next((found for found in reversed(one.findings) if found.standing), None)
    if newest is None:
        newest = changed[-1] if changed else None
    ended = "" if one.current else ", no longer measured"
    if newest is None:
        return f"no change found{ended}"
    day = _day(history.runs[newest.at].created_at)
    marks = ["alarm"] * newest.alarm + ["acknowledged"] * bool(newest.acknowledged)
    return f"{newest.effect.value} since {day}{''.join(f', {mark}' for mark in marks)}{ended}"


def _about(history: History, one: Series) -> str:
    role = {
        "judged": "Judged",
        "host": "Native's own: what moves all of these at once is the host",
        "context": "Context, not judged",
    }[one.role]
    over = ", over native's in the same block" if one.by_native else ""
    host = next(host.title for host in history.hosts if host.name == one.host)
    return (
        f"{one.title[:1].upper()}{one.title[1:]}{over}; {one.direction.value} is better. "
        f"{role}. Host: {host}. Method {one.method}."
    )


def _finding(history: History, one: Series, found: Finding) -> dict[str, Any]:
    effect, _, since, ratio, before, after, p = views.cells(history, one, found)
    first, last = (history.runs[place].run for place in (found.first, found.last))
    within = f", between {first} and {last}" if first != last else ""
    around = f"{before} to {after}" if found.sort is not Sort.FAILED else f"{before} before"
    runs = f"{found.n_before} runs before, {found.n_after} after"
    if found.sort is Sort.DRIFT:
        within, runs = "", f"over {found.n_before} runs"
    size = [part for part in (ratio if ratio != MISSING else "", around, runs) if part]
    return {
        "alarm": found.alarm,
        "title": f"{effect[:1].upper()}{effect[1:]} since {since}{within}:",
        "size": f"{'; '.join(size)}{f'; {_p(p)}' if p else ''}.",
        "reasons": views.reasons(found),
    }


def _p(shown: str) -> str:
    return f"p {shown}" if shown.startswith("<") else f"p = {shown}"


def _links(history: History, folder: Path) -> dict[int, str]:
    """Return where the reports of the runs that are shown lie, of those that have one."""
    shown = {place for one in history.series for place in one.runs[-_MOST_RUNS:]}
    reports = {place: Path(history.runs[place].path) / "report.html" for place in shown}
    return {
        place: quote(os.path.relpath(path, folder.absolute()))
        for place, path in reports.items()
        if path.exists()
    }


def _runs(history: History, one: Series, links: Mapping[int, str]) -> list[dict[str, str]]:
    rows = list(zip(one.runs, one.values, one.low, one.high, strict=True))[-_MOST_RUNS:]
    found = []
    for place, value, low, high in reversed(rows):
        mark = history.runs[place]
        ends = [units.quantity(end, one.shown_unit) for end in (low, high) if end is not None]
        found.append(
            {
                "name": mark.run,
                "day": _day(mark.created_at),
                "value": "failed" if value is None else units.quantity(value, one.shown_unit),
                "interval": " to ".join(ends) or MISSING,
                "commit": (mark.commit or "")[:_COMMIT],
                "link": links.get(place, ""),
            }
        )
    return found


def _day(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d")
