"""The report as Markdown, for issues and terminals: verdicts first, then the numbers."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from benchmarks.results.records import Unit
from reports import units
from reports.case import ratio

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from reports.document_model import Document
    from reports.model import NumberRow, Reproduction


def markdown(report: Document) -> str:
    """Return the report as GitHub-flavoured Markdown."""
    host = report.host.get("identity", {})
    parts = [
        "# What a container weighs, and what a virtual machine does",
        (
            f"Measured on {_text(host.get('hostname') or 'an unnamed host')}: "
            f"{_text(', '.join(box.name for box in report.sandboxes))}; {report.blocks} blocks, "
            f"{report.samples} samples. Run {_text(report.run)}."
        ),
        *(f"> **Read this first.** {_text(warning)}" for warning in report.warnings),
        "## Claims",
        _table(
            ("Verdict", "Claim", "Because"),
            ((f"**{c.verdict.value}**", _text(c.title), _text(c.reason)) for c in report.claims),
        ),
        "## Evidence",
    ]
    for claim in report.claims:
        parts.append(
            f"**{_text(claim.title)}.** {_text(claim.statement)} Margin: {_text(claim.margin)}. "
            f"Rule: {_text(claim.rule)}."
            + ("" if claim.p is None else f" Corrected {units.p_value(claim.p)}."),
        )
        parts.append(
            "\n".join(f"- {_text(row.observation)}: {_text(row.result)}" for row in claim.evidence),
        )
    if report.reproduction:
        parts += _reproduction(report.reproduction)
    if report.control_planes:
        parts += ["## What the control plane adds", _control_planes(report)]
    parts += ["## Numbers", _numbers(report.numbers)]
    if any(not row.admissible for row in report.numbers):
        parts.append("\N{DAGGER} not admissible: ranks against nothing.")
    if report.words:
        parts += ["## Probes, controls and digests", _words(report)]
    parts += ["## Failures", _failures(report), "## Caveats"]
    parts.append("\n".join(f"- {_text(caveat)}" for caveat in report.caveats) or "None.")
    if report.dead_share is not None:
        share = units.percent(report.dead_share)
        parts.append(f"Dead time, neither preparing nor measuring: {share} of the campaign.")
    return "\n\n".join(part for part in parts if part) + "\n"


def _numbers(rows: Sequence[NumberRow]) -> str:
    return _table(
        ("Workload", "Metric", "Sandbox", "Median (95 % interval)", "Samples", "To native"),
        (
            (
                _text(row.workload),
                f"`{_code(row.metric)}`"
                + "".join(f", {_text(key)} {_text(one)}" for key, one in row.parameters.items()),
                _text(row.sandbox),
                _text(units.estimate(row.median, row.unit))
                + ("" if row.admissible else " \N{DAGGER}"),
                f"{row.ok}" + (f" ({row.failed} failed)" if row.failed else ""),
                ratio(row.to_native) if row.to_native else units.MISSING,
            )
            for row in rows
        ),
    )


def _control_planes(report: Document) -> str:
    return _table(
        ("Manager", "Runtime alone", "", "With the manager", "Alone", "Added", "Ratio"),
        (
            (
                _text(row.manager),
                _text(row.runtime),
                _text(row.title),
                *(
                    _text(units.estimate(value, Unit.SECONDS))
                    for value in (row.with_manager, row.alone, row.added)
                ),
                _text(units.estimate(row.times, Unit.RATIO)),
            )
            for row in report.control_planes
        ),
    )


def _reproduction(laid: Reproduction) -> list[str]:
    """Return the section that lays a publication beside the run."""
    return [
        f"## Beside the published: {_text(laid.name)}",
        f"{_text(laid.title)}. Figures from {_text(laid.source)}. Measured on {_text(laid.host)}.",
        f"Rule: {_text(laid.rule)}",
        "\n".join(f"- {_text(caveat)}" for caveat in laid.caveats),
        _table(
            ("Verdict", "Row", "System", "Published", "Ratio published", "Here", "Because"),
            (
                (
                    f"**{row.verdict.value}**",
                    _text(row.title) + (" (unverified)" if row.unverified else ""),
                    _text(row.system) + (f" ({row.sandbox})" if row.sandbox else ""),
                    _text(units.published(row.figure, row.unit)),
                    units.MISSING if row.absolute else _text(units.times(row.published)),
                    _text(units.compared(row)),
                    _text(". ".join(filter(None, (row.reason, row.note)))),
                )
                for row in laid.rows
            ),
        ),
    ]


def _words(report: Document) -> str:
    names = [box.name for box in report.sandboxes]
    found: dict[tuple[str, str], dict[str, str]] = {}
    for row in report.words:
        said = ", ".join(row.words) or row.status.value
        found.setdefault((row.workload, row.title), {})[row.sandbox] = said
    return _table(
        ("Workload", "Looked at", *names),
        (
            (
                _text(workload),
                _text(title),
                *(_text(words.get(name, units.MISSING)) for name in names),
            )
            for (workload, title), words in found.items()
        ),
    )


def _failures(report: Document) -> str:
    if not report.failures:
        return "None: every measurement that was tried gave a value."
    return _table(
        ("Sandbox", "Metric", "Status", "Times", "Why"),
        (
            (
                _text(row.sandbox),
                f"{_text(row.workload)}, `{_code(row.metric)}`",
                row.status.value,
                str(row.count),
                _text(row.detail),
            )
            for row in report.failures
        ),
    )


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _text(text: str) -> str:
    """Escape what Markdown or HTML would read as markup, and keep the text on one line."""
    flat = " ".join(text.split())
    return re.sub(r"([\\`*_\[\]<>|#])", r"\\\1", flat.replace("&", "&amp;"))


def _code(text: str) -> str:
    return text.replace("`", "'").replace("|", "/")
