"""Make a history of collected runs: series, their changes, and what stands now."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from benchmarks.results.records import Direction
from reports.comparison.changes import Effect
from reports.history import changepoints, latest, places, standing, track
from reports.history.origin import Origin
from reports.history.records import Finding, History, Mark, Series, Sort
from reports.model.records import Estimate

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from reports.history.acknowledged import Acknowledgement
    from reports.history.collect import Collected

_RECENT = 5
"""Last runs of a class of hosts, of which one has a series that is still measured."""
_EDGE = 5
_ID_DIGITS = 10

type Changes = Callable[[Sequence[NDArray[np.float64]]], list[list[changepoints.Change]]]


def assemble(
    collected: Collected,
    threshold: float,
    acknowledged: Sequence[Acknowledgement] = (),
    *,
    origin: Origin | None = None,
    changes: Changes = changepoints.find,
) -> History:
    """Return the history of some runs.

    Args:
        collected: The runs.
        threshold: Smallest relative change that is an alarm, as a fraction.
        acknowledged: Changes that are none any more.
        origin: Knows the commits between two; None where nobody does.
        changes: Finds the changes of many series.
    """
    of_runs = [row.facts for row in collected.rows]
    names, hosts = places.classes(collected.facts, of_runs)
    epochs = places.epochs(collected.facts, of_runs, names)
    marks = tuple(
        Mark(
            run=row.run,
            path=path,
            created_at=row.created_at,
            host=name,
            commit=row.commit,
        )
        for row, path, name in zip(collected.rows, collected.paths, names, strict=True)
    )
    tracks = track.tracks(collected, names)
    recent = {host.name: _recent(names, host.name) for host in hosts}
    current = [int(one.runs[-1]) >= recent[one.host] for one in tracks]
    found = changes([one.logs for one in tracks])
    findings = [
        _findings(one, cuts, now=now) for one, cuts, now in zip(tracks, found, current, strict=True)
    ]
    where = standing.Where(marks, epochs, collected, origin or Origin(None))
    judged = standing.judge(
        tracks, findings, current, where, threshold=threshold, acknowledged=acknowledged
    )
    series = sorted(
        (
            _series(one, of_one, now=now)
            for one, of_one, now in zip(tracks, judged.findings, current, strict=True)
        ),
        key=_last_change,
    )
    left_out = [f"Left out: {said}." for said in collected.left_out]
    return History(
        threshold=threshold,
        runs=marks,
        hosts=tuple(hosts),
        epochs=tuple(epochs),
        series=tuple(series),
        notes=(*judged.notes, *left_out),
        missing=judged.missing,
        tested=judged.tested,
    )


def _recent(names: Sequence[str], host: str) -> int:
    """Return the place of the class's last run but a few."""
    own = [place for place, name in enumerate(names) if name == host]
    return own[-_RECENT:][0]


def _findings(one: track.Track, cuts: Sequence[changepoints.Change], *, now: bool) -> list[Finding]:
    """Return the changes of a series, and where its last runs lie."""
    found = [_changed(one, cut, last=cut is cuts[-1]) for cut in cuts]
    if not now:
        return found
    if one.failed[-1] and one.known.any():
        return [*found, _failed(one)]
    begin = cuts[-1].at if cuts else 0
    level = one.logs[begin:]
    newest = latest.latest(level)
    if newest is not None:
        found.append(_newest(one, newest))
    drifting = latest.drift(level)
    if drifting is not None:
        found.append(_drifting(one, drifting))
    return found


def _changed(one: track.Track, cut: changepoints.Change, *, last: bool) -> Finding:
    n = len(one.logs)
    old, new = one.medians[cut.at - cut.before : cut.at], one.medians[cut.at : cut.at + cut.after]
    runs = one.places
    return Finding(
        sort=Sort.CHANGE,
        effect=_effect(one, cut.shift.estimate),
        first=int(runs[cut.low]),
        at=int(runs[cut.at]),
        last=int(runs[cut.high]),
        ratio=_ratio(one, cut.shift.low, cut.shift.estimate, cut.shift.high, cut.after),
        before=float(np.median(old)),
        after=float(np.median(new)),
        n_before=cut.before,
        n_after=cut.after,
        p=cut.p,
        provisional=min(cut.at, n - cut.at) < _EDGE or cut.before + cut.after < 2 * _EDGE,
        standing=last,
    )


def _newest(one: track.Track, newest: latest.Latest) -> Finding:
    count, runs = newest.runs, one.places
    window = one.medians[-count - newest.window : -count]
    return Finding(
        sort=Sort.LATEST,
        effect=_effect(one, newest.shift.estimate),
        first=int(runs[-count]),
        at=int(runs[-count]),
        last=int(runs[-1]),
        ratio=_ratio(one, newest.shift.low, newest.shift.estimate, newest.shift.high, count),
        before=float(np.median(window)),
        after=float(np.median(one.medians[-count:])),
        n_before=newest.window,
        n_after=count,
        p=newest.p,
        provisional=True,
        standing=True,
    )


def _drifting(one: track.Track, found: latest.Drift) -> Finding:
    window = one.medians[-found.window :]
    part = max(1, found.window // 4)
    return Finding(
        sort=Sort.DRIFT,
        effect=_effect(one, found.total),
        first=int(one.places[-found.window]),
        at=int(one.places[-found.window]),
        last=int(one.places[-1]),
        ratio=_ratio(one, found.low, found.total, found.high, found.window),
        before=float(np.median(window[:part])),
        after=float(np.median(window[-part:])),
        n_before=found.window,
        n_after=found.window,
        p=found.p,
        standing=True,
    )


def _failed(one: track.Track) -> Finding:
    good = np.flatnonzero(one.known)[-1]
    since = int(one.runs[good + 1])
    return Finding(
        sort=Sort.FAILED,
        effect=Effect.WORSE,
        first=since,
        at=since,
        last=since,
        ratio=None,
        before=float(one.values[good, 1]),
        after=None,
        n_before=int(one.known.sum()),
        n_after=len(one.runs) - int(good) - 1,
        p=None,
        standing=True,
    )


def _effect(one: track.Track, shift: float) -> Effect:
    worse = (shift > 0) == (one.kind.direction is Direction.LOWER)
    return Effect.WORSE if worse else Effect.BETTER


def _ratio(one: track.Track, low: float, middle: float, high: float, n: int) -> Estimate | None:
    if not one.ratio:
        return None
    ends = np.exp([low, middle, high]).tolist()
    return Estimate(low=ends[0], estimate=ends[1], high=ends[2], n=n, confidence=0.95)


def _series(one: track.Track, findings: tuple[Finding, ...], *, now: bool) -> Series:
    kind = one.kind
    name = one.name
    whole = f"{one.host} {kind.method} {kind.by_native} {name}"
    low, middle, high = (_optional(one.values[:, column]) for column in range(3))
    return Series(
        id=hashlib.sha256(whole.encode()).hexdigest()[:_ID_DIGITS],
        name=name,
        host=one.host,
        parameters=json.loads(kind.parameters),
        current=now,
        runs=tuple(one.runs.tolist()),
        values=middle,
        low=low,
        high=high,
        findings=findings,
        **{
            field: getattr(kind, field)
            for field in msgspec.structs.asdict(kind)
            if field != "parameters"
        },
    )


def _optional(column: NDArray[np.float64]) -> tuple[float | None, ...]:
    missing = np.flatnonzero(np.isnan(column)).tolist()
    found: list[float | None] = column.tolist()
    for place in missing:
        found[place] = None
    return tuple(found)


def _last_change(one: Series) -> tuple[int, int, str]:
    """Sort alarms first, then what changed last."""
    alarm = any(found.alarm for found in one.findings)
    newest = max((found.at for found in one.findings), default=-1)
    roles = ("judged", "host", "context")
    return (0 if alarm else 1 + roles.index(one.role) // 2, -newest, one.name)
