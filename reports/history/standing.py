"""Judge findings over all series together: what is an alarm, what looks like the host.

Alarms of all series share one level: of a hundred new runs in which nothing changed, less than one
ends with an alarm (``python -m reports.history.simulation`` shows it). So p-values are corrected by
Holm over the series for each of the three tests, which share the level.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import msgspec
import numpy as np

from benchmarks.stats import estimators
from reports.comparison.changes import Effect
from reports.history import changepoints, events, places
from reports.history.origin import bisect
from reports.history.records import Finding, Sort

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reports.history.acknowledged import Acknowledgement
    from reports.history.collect import Collected
    from reports.history.origin import Origin
    from reports.history.records import Epoch, Mark
    from reports.history.track import Track

LEVELS = {Sort.CHANGE: 0.004, Sort.LATEST: 0.025, Sort.DRIFT: 0.001}
"""Two-sided level of each test over all series together, a new run; half of it is for the worse."""


_SURE = 5
"""Runs of a level from which its change is no longer provisional."""


class Where(NamedTuple):
    """What is known of the runs.

    Attributes:
        marks: The runs.
        epochs: Where kernels and images changed.
        collected: What the runs say of themselves.
        origin: Knows the commits between two.
    """

    marks: Sequence[Mark]
    epochs: Sequence[Epoch]
    collected: Collected
    origin: Origin


class Judged(NamedTuple):
    """Findings, judged.

    Attributes:
        findings: Those of each series.
        notes: What looks like the host, a sentence each.
        missing: What could be measured later, a sentence each.
        tested: Series that an alarm was possible in.
    """

    findings: list[tuple[Finding, ...]]
    notes: tuple[str, ...]
    missing: tuple[str, ...]
    tested: int


def judge(
    tracks: Sequence[Track],
    findings: Sequence[Sequence[Finding]],
    current: Sequence[bool],
    where: Where,
    *,
    threshold: float,
    acknowledged: Sequence[Acknowledgement],
) -> Judged:
    """Decide which findings are alarms, and say what is known of each."""
    tested = [
        place
        for place, one in enumerate(tracks)
        if current[place] and one.kind.role != "context" and len(one.logs) >= changepoints.FEWEST
    ]
    kept = [list(of_one) for of_one in findings]
    for sort, level in LEVELS.items():
        _correct(kept, tested, sort, level)
    looks = events.host_like(tracks, kept, set(tested), where.marks)
    measured = {mark.commit for mark in where.marks if mark.commit}
    judged = []
    for place, of_one in enumerate(kept):
        said = [_explained(found, tracks[place], where, measured) for found in of_one]
        said = [
            msgspec.structs.replace(found, host_like=looks.because.get((place, at), ""))
            for at, found in enumerate(said)
        ]
        possible = place in set(tested) or any(one.sort is Sort.FAILED for one in said)
        judged.append(
            tuple(
                _alarm(found, tracks[place], where.marks, threshold, acknowledged)
                if possible and tracks[place].kind.role != "context"
                else found
                for found in said
            )
        )
    return Judged(judged, looks.notes, _missing(tracks, judged, current), len(tested))


def _correct(kept: list[list[Finding]], tested: list[int], sort: Sort, level: float) -> None:
    """Correct the p-values of a test over all series; drop what the newest runs do not show."""
    places_of = [
        next((i for i, one in enumerate(kept[place]) if one.sort is sort and one.standing), None)
        for place in tested
    ]
    raw = [
        1.0 if at is None else kept[place][at].p or 0.0
        for place, at in zip(tested, places_of, strict=True)
    ]
    adjusted = dict(zip(tested, estimators.holm(raw), strict=True)) if raw else {}
    for place, of_one in enumerate(kept):
        changed = []
        for one in of_one:
            if one.sort is not sort or not one.standing:
                changed.append(one)
                continue
            p = adjusted.get(place, math.inf)
            if sort is Sort.CHANGE:
                changed.append(msgspec.structs.replace(one, p=min(p, 1.0)) if p <= 1 else one)
            elif p <= level:
                changed.append(msgspec.structs.replace(one, p=p))
        kept[place] = changed


def _alarm(
    found: Finding,
    one: Track,
    marks: Sequence[Mark],
    threshold: float,
    acknowledged: Sequence[Acknowledgement],
) -> Finding:
    """Decide whether a finding of a judged series is an alarm."""
    begin, end = np.searchsorted(one.runs, [found.first, found.last + 1]).tolist()
    within = [marks[place].run for place in one.runs[begin:end].tolist()]
    name = one.name
    reason = next((ack.reason for ack in acknowledged if ack.covers(name, within)), "")
    sure = found.p is None or found.p <= LEVELS[found.sort]
    by_host = one.kind.role == "host" and bool(found.host_like)
    alarm = (
        found.standing
        and found.effect is Effect.WORSE
        and sure
        and _large(found, threshold)
        and not reason
        and not by_host
    )
    return msgspec.structs.replace(found, acknowledged=reason, alarm=alarm)


def _large(found: Finding, threshold: float) -> bool:
    if found.sort is Sort.FAILED:
        return True
    if found.ratio is None or found.ratio.estimate is None:
        before, after = found.before or 0.0, found.after or 0.0
        return abs(after - before) > threshold * max(abs(before), abs(after))
    return abs(math.log(found.ratio.estimate)) >= math.log1p(threshold)


def _explained(found: Finding, one: Track, where: Where, measured: set[str]) -> Finding:
    """Say what differs between the runs on both sides, and which commits lie between."""
    if found.sort is Sort.DRIFT:
        return found
    before = int(np.searchsorted(one.runs, found.first))
    if not before:
        return found
    old, new = int(one.runs[before - 1]), found.last
    rows, facts = where.collected.rows, where.collected.facts
    both = facts[rows[old].facts].settings, facts[rows[new].facts].settings
    between = [place for place in range(old, new + 1) if where.marks[place].host == one.host]
    commits = dict.fromkeys(mark.commit for place in between if (mark := where.marks[place]).commit)
    known = tuple(commit for commit in commits if commit)
    good, bad = where.marks[old].commit, where.marks[new].commit
    narrowed = bool(good and bad and good != bad)
    return msgspec.structs.replace(
        found,
        differences=tuple(places.differences(*both)),
        epoch=any(
            epoch.host == one.host and epoch.changed and old < epoch.first <= new
            for epoch in where.epochs
        ),
        commits=known,
        unmeasured=where.origin.unmeasured(good, bad, measured)
        if good and bad and narrowed
        else (),
        bisect=bisect(good, bad, one.kind) if good and bad and narrowed else "",
    )


def _missing(
    tracks: Sequence[Track], judged: Sequence[Sequence[Finding]], current: Sequence[bool]
) -> tuple[str, ...]:
    """Say which runs would make more known."""
    said = []
    for one, of_one, now in zip(tracks, judged, current, strict=True):
        if not now or one.kind.role == "context":
            continue
        name = one.name
        if len(one.logs) < changepoints.FEWEST:
            lack = changepoints.FEWEST - len(one.logs)
            said.append(f"{name}: {lack} more runs, then it can be judged")
        for found in of_one:
            if found.alarm and found.provisional and found.n_after < _SURE:
                lack = _SURE - found.n_after
                said.append(f"{name}: {lack} more runs, then its change is no longer provisional")
            if found.alarm and found.unmeasured:
                said.append(
                    f"{name}: no run has measured {', '.join(found.unmeasured)}, which lie within "
                    "the change"
                )
    return tuple(dict.fromkeys(said))
