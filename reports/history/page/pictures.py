"""Draw series as SVG: pictures that stretch to any width, words and numbers beside them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from markupsafe import Markup

from reports.history.records import Finding, Series, Sort

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

_WIDTH, _HEIGHT = 1000.0, 100.0
_SPARK_POINTS = 240
_CHART_POINTS = 800
_MOST_DOTS = 150


class Range(NamedTuple):
    """What a chart's edges stand for."""

    low: float
    high: float


class _Scales(NamedTuple):
    runs: int
    span: Range

    def x(self, place: float) -> float:
        return _WIDTH * (place + 0.5) / self.runs

    def y(self, value: float) -> float:
        low, high = self.span
        return _HEIGHT * (1 - (value - low) / (high - low))


def span(one: Series) -> Range | None:
    """Return what the values and their intervals lie between; None without any."""
    known = [value for value in one.values if value is not None]
    if not known:
        return None
    # an interval of few blocks may be far wider than all that is to be seen
    low, high = min(known), max(known)
    room = 0.08 * (high - low) or 0.05 * abs(high) or 1.0
    return Range(low - room, high + room)


def spark(one: Series) -> Markup:
    """Return a small picture of a series: its line and where it changed."""
    edges = span(one)
    if edges is None:
        return Markup('<span class="spark"></span>')
    scales = _Scales(len(one.runs), edges)
    parts = [*_changes(one, scales), _line(one, scales, _SPARK_POINTS)]
    return _svg("spark", f"{one.name} over {len(one.runs)} runs", parts)


def chart(one: Series, epochs: Sequence[int]) -> Markup:
    """Return a series in full.

    Args:
        one: The series.
        epochs: Places of the runs that begin an epoch.
    """
    edges = span(one)
    if edges is None:
        return Markup()
    scales = _Scales(len(one.runs), edges)
    begins = np.searchsorted(np.array(one.runs), np.array(epochs, dtype=np.int64)).tolist()
    parts = [
        _around(one, scales),
        *_changes(one, scales),
        *(
            f'<line class="epoch" x1="{x:.1f}" x2="{x:.1f}" y1="0" y2="{_HEIGHT:g}"/>'
            for place in begins
            for x in (scales.x(place - 0.5),)
        ),
        _line(one, scales, _CHART_POINTS),
        _dots(one, scales),
        _levels(one, scales),
    ]
    found = [each for each in one.findings if each.sort is Sort.CHANGE]
    changes = f"{len(found)} change{'' if len(found) == 1 else 's'}"
    return _svg("chart", f"{one.name} over {len(one.runs)} runs: {changes}", parts)


def _svg(which: str, title: str, parts: Iterable[str]) -> Markup:
    begin = Markup(
        '<svg class="{}" viewBox="0 0 {:g} {:g}" preserveAspectRatio="none" role="img">'
        "<title>{}</title>"
    ).format(which, _WIDTH, _HEIGHT, title)
    return begin + Markup("".join(parts)) + Markup("</svg>")  # noqa: S704  # numbers, and our words


def _points(one: Series, most: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return places and values, of very many the middle of each few that follow each other."""
    values = np.array([np.nan if value is None else value for value in one.values])
    places = np.flatnonzero(~np.isnan(values)).astype(float)
    known = values[~np.isnan(values)]
    if len(known) <= most:
        return places, known
    pieces = np.array_split(np.arange(len(known)), most)
    return (
        np.array([places[piece].mean() for piece in pieces]),
        np.array([np.median(known[piece]) for piece in pieces]),
    )


def _path(points: Iterable[tuple[float, float]]) -> str:
    return "L".join(f"{x:.1f} {y:.2f}" for x, y in points)


def _line(one: Series, scales: _Scales, most: int) -> str:
    places, values = _points(one, most)
    line = _path((scales.x(x), scales.y(y)) for x, y in zip(places, values, strict=True))
    return f'<path class="values" d="M{line}"/>'


def _dots(one: Series, scales: _Scales) -> str:
    if len(one.runs) > _MOST_DOTS:
        return ""
    places, values = _points(one, _MOST_DOTS)
    # lines of no length with round ends stay round however the picture is stretched
    dots = (f"M{scales.x(x):.1f} {scales.y(y):.2f}h0" for x, y in zip(places, values, strict=True))
    return f'<path class="dots" d="{"".join(dots)}"/>'


def _around(one: Series, scales: _Scales) -> str:
    """Return the band of the medians' intervals, where it can be made out."""
    if len(one.runs) > _CHART_POINTS:
        return ""
    found = [
        (place, low, high)
        for place, (low, high) in enumerate(zip(one.low, one.high, strict=True))
        if low is not None and high is not None
    ]
    if len(found) < 2:  # noqa: PLR2004  # a band has two ends
        return ""
    there = [(scales.x(place), scales.y(high)) for place, _, high in found]
    back = [(scales.x(place), scales.y(low)) for place, low, _ in reversed(found)]
    return f'<path class="around" d="M{_path([*there, *back])}z"/>'


def _changes(one: Series, scales: _Scales) -> list[str]:
    where = {run: place for place, run in enumerate(one.runs)}
    return [
        f'<rect class="when {found.effect.value}" x="{begin:.1f}" y="0" '
        f'width="{scales.x(where[found.last] + 0.5) - begin:.1f}" height="{_HEIGHT:g}"/>'
        for found in one.findings
        if found.sort in {Sort.CHANGE, Sort.LATEST}
        for begin in (scales.x(where[found.first] - 0.5),)
    ]


def _levels(one: Series, scales: _Scales) -> str:
    """Return a line at the middle of each level."""
    where = {run: place for place, run in enumerate(one.runs)}
    cuts = [where[found.at] for found in _level_changes(one.findings)]
    values = np.array([np.nan if value is None else value for value in one.values])
    lines = []
    for first, last in zip([0, *cuts], [*cuts, len(values)], strict=True):
        known = values[first:last][~np.isnan(values[first:last])]
        if len(known):
            y = scales.y(float(np.median(known)))
            begin, end = scales.x(first - 0.5), scales.x(last - 0.5)
            lines.append(f"M{begin:.1f} {y:.2f}H{end:.1f}")
    return f'<path class="level" d="{"".join(lines)}"/>'


def _level_changes(findings: Sequence[Finding]) -> list[Finding]:
    return [one for one in findings if one.sort is Sort.CHANGE]
