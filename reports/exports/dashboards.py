"""Numbers for services that draw and watch them: Bencher, and the benchmark action of GitHub."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from benchmarks.results.records import Direction

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reports.exports.source import Source


def bmf(sources: Sequence[Source]) -> bytes:
    """Return Bencher Metric Format: benchmark, then measure, then value with its bounds."""
    found: dict[str, dict[str, dict[str, float]]] = {}
    for point in sources[0].points:
        value = {"value": point.value}
        if point.low is not None and point.high is not None:
            value |= {"lower_value": point.low, "upper_value": point.high}
        found.setdefault(point.subject, {})[point.row.metric] = value
    return _json(found)


def smaller(sources: Sequence[Source]) -> bytes:
    """Return what is better when it is smaller, as ``customSmallerIsBetter`` wants it."""
    return _custom(sources[0], Direction.LOWER)


def bigger(sources: Sequence[Source]) -> bytes:
    """Return what is better when it is bigger, as ``customBiggerIsBetter`` wants it."""
    return _custom(sources[0], Direction.HIGHER)


def _custom(source: Source, direction: Direction) -> bytes:
    rows = []
    for point in source.better(direction):
        row: dict[str, Any] = {
            "name": point.name,
            "unit": point.row.unit.value,
            "value": point.value,
            "extra": f"{point.row.title}; {point.row.median.n} blocks, {point.row.failed} failed"
            + ("" if point.row.admissible else "; emulated, not for ranking"),
        }
        if point.low is not None and point.high is not None:
            row["range"] = f"{point.low:g} to {point.high:g}"
        rows.append(row)
    return _json(rows)


def _json(data: object) -> bytes:
    return msgspec.json.format(msgspec.json.encode(data), indent=2) + b"\n"
