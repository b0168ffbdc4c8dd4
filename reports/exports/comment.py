"""A comment for a pull request: what changed, worst first, then the verdicts, in Markdown."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from reports.comparison.changes import Effect
from reports.renderers import units

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from reports.comparison.changes import Comparison
    from reports.exports.source import Source

MOST_BYTES = 64_000
"""GitHub refuses a comment of more than 65,536 characters."""

_ORDER = (Effect.WORSE, Effect.INCONCLUSIVE, Effect.BETTER, Effect.EQUAL)


def comment(sources: Sequence[Source]) -> bytes:
    """Return Markdown of at most ``MOST_BYTES``; what does not fit is counted in its last line."""
    source = sources[0]
    lines = [*_changed(source.comparison), *_claims(source), *_numbers(source)]
    kept, size = [], 0
    for place, line in enumerate(lines):
        size += len(line.encode()) + 1
        if size > MOST_BYTES - 100:
            kept += ["", f"*{len(lines) - place} more lines are in the report.*"]
            break
        kept.append(line)
    return ("\n".join(kept) + "\n").encode()


def _changed(comparison: Comparison | None) -> list[str]:
    if comparison is None:
        return []
    if not comparison.comparable:
        return [f"**tare: not comparable.** {_cell(comparison.reason)}", ""]
    word = "regressed" if comparison.regressed else "undecided" if comparison.undecided else "ok"
    lines = [f"**tare: {word}.** {_cell(comparison.reason)}", ""]
    if comparison.blind:
        lines += [_cell(comparison.blind), ""]
    judged = [one for one in comparison.changes if one.effect is not Effect.CONTEXT]
    judged.sort(key=lambda one: _ORDER.index(one.effect))
    rows = [
        (
            one.effect.value,
            one.sandbox,
            one.title + "".join(f", {key} {value}" for key, value in one.parameters.items()),
            units.estimate(one.base, one.unit),
            units.estimate(one.new, one.unit),
            units.ratio(one.ratio) if one.ratio else "",
        )
        for one in judged
    ]
    rows += [
        (one.effect.value, one.sandbox, one.title, one.base, one.new, "")
        for one in comparison.words
    ]
    rows += [
        ("worse", sandbox, workload, "measured", "tried in vain", "")
        for sandbox, workload in comparison.lost
    ]
    return [*lines, *_table(("", "sandbox", "metric", "base", "new", "new / base"), rows), ""]


def _claims(source: Source) -> list[str]:
    rows = [(one.title, one.verdict.value, one.reason) for one in source.document.claims]
    return [*_table(("claim", "verdict", "because"), rows), ""]


def _numbers(source: Source) -> list[str]:
    rows = [
        (
            point.row.sandbox,
            f"{point.row.workload}: {point.row.title}{point.parameters}",
            units.estimate(point.row.median, point.row.unit)
            + ("" if point.row.admissible else ", emulated: not for ranking"),
        )
        for point in source.points
    ]
    head = f"{len(rows)} numbers of run {_cell(source.document.run)}"
    return [
        f"<details><summary>{head}</summary>",
        "",
        *_table(("sandbox", "metric", "median"), rows),
        "",
        "</details>",
    ]


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    lines = ["| " + " | ".join(heads) + " |", "|" + " --- |" * len(heads)]
    return lines + ["| " + " | ".join(map(_cell, row)) + " |" for row in rows]


def _cell(text: str) -> str:
    """Return text that can neither end its cell nor be taken for Markdown or a mention."""
    plain = " ".join(text.split())
    return re.sub(r"([\\`*_\[\]|#<>~])", r"\\\1", plain).replace("@", "@\u200b")
