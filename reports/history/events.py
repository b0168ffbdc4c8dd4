"""Tell changes that look like the host's from those of what is measured."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from reports.comparison.changes import Effect
from reports.history.records import Finding, Mark, Sort

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reports.history.track import Track

_SEVERAL = 3
_HALF = 0.5


class Looks(NamedTuple):
    """What looks like the host.

    Attributes:
        because: Why a finding does, by series and place among its findings.
        notes: The same in sentences, one for each time.
    """

    because: dict[tuple[int, int], str]
    notes: tuple[str, ...]


class _One(NamedTuple):
    series: int
    at: int
    found: Finding
    role: str


def host_like(
    tracks: Sequence[Track],
    findings: Sequence[Sequence[Finding]],
    tested: set[int],
    marks: Sequence[Mark],
) -> Looks:
    """Find changes that many series have at once, or native in several ways."""
    because: dict[tuple[int, int], str] = {}
    notes = []
    for host in dict.fromkeys(one.host for one in tracks):
        own = [place for place, one in enumerate(tracks) if one.host == host]
        asked = [place for place in own if tracks[place].kind.role != "context"]
        for group in _groups(tracks, findings, asked):
            why = _why(group, tracks, [place for place in asked if place in tested])
            if why:
                because |= {(one.series, one.at): why for one in group}
                first, last = min(o.found.first for o in group), max(o.found.last for o in group)
                between = f"{marks[first].run} and {marks[last].run}" if first != last else ""
                when = f"Between {between}" if between else f"At {marks[first].run}"
                notes.append(f"{when}: {why}. That looks like the host and not the software.")
    return Looks(because, tuple(notes))


def _groups(
    tracks: Sequence[Track], findings: Sequence[Sequence[Finding]], own: Sequence[int]
) -> list[list[_One]]:
    """Return changes whose intervals overlap, those of one time together."""
    found = sorted(
        (
            _One(place, at, one, tracks[place].kind.role)
            for place in own
            for at, one in enumerate(findings[place])
            if one.sort in {Sort.CHANGE, Sort.LATEST}
        ),
        key=lambda one: (one.found.first, one.found.last),
    )
    groups: list[list[_One]] = []
    end = -1
    for one in found:
        if groups and one.found.first <= end:
            groups[-1].append(one)
            end = min(end, one.found.last)  # all of a group have a run in common
        else:
            groups.append([one])
            end = one.found.last
    return groups


def _why(group: Sequence[_One], tracks: Sequence[Track], tested: Sequence[int]) -> str:
    native = {one.series: one.found.effect for one in group if one.role == "host"}
    of_native = sum(tracks[place].kind.role == "host" for place in tested)
    judged = {one.series: one.found.effect for one in group if one.role == "judged"}
    others = sum(tracks[place].kind.role == "judged" for place in tested)
    for effect in (Effect.WORSE, Effect.BETTER):
        count = sum(one is effect for one in native.values())
        alone = count > 1 or of_native == 1
        if count and count == len(native) and alone and count >= _HALF * of_native:
            return f"native itself became {effect.value} in {count} of {of_native} series"
    worse = sum(one is Effect.WORSE for one in judged.values())
    if len(judged) == others and len(judged) >= _SEVERAL:
        return f"all {others} series changed at once"
    if worse >= _SEVERAL and worse == len(judged) and worse >= _HALF * others:
        return f"{worse} of {others} series became worse and none better"
    return ""
