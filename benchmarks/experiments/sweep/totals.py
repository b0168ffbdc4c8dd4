"""A sweep summed up: verdicts counted, files of one kind shown as one, profiles compared."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from benchmarks.experiments.probes.model import Verdict
from benchmarks.experiments.sweep.model import Trait

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from benchmarks.experiments.sweep.model import FileFinding

TITLES = {
    **{f"files_{verdict.replace('-', '_')}": f"files that are {verdict}" for verdict in Verdict},
    "files_unconfirmed": "of the constants: unconfirmed, for no unrelated kernel had such a file",
    **{f"files_{trait}": f"of the shared-live: {trait}" for trait in Trait},
    "files_in_error": "files whose reading broke",
    "files_unreadable": "files the host cannot read itself; no verdict",
}
"""Metric of a count to what it counts, in the order of reports."""

_NUMBERS = re.compile(r"\d+")


class Group(NamedTuple):
    """Files whose paths differ in their numbers only, and of which the same was found.

    Attributes:
        pattern: Their path, each number as N.
        files: How many they are.
        first: One of them, which stands for the rest.
    """

    pattern: str
    files: int
    first: FileFinding


class Change(NamedTuple):
    """Files of one kind that have another verdict in another sandbox."""

    pattern: str
    files: int
    base: str
    new: str


def totals(findings: Sequence[FileFinding], unreadable: int) -> dict[str, int]:
    """Count findings; every metric of ``TITLES`` has a count."""
    verdicts = Counter(found.verdict for found in findings)
    traits = Counter(trait for found in findings for trait in found.traits)
    return {
        **{f"files_{v.replace('-', '_')}": verdicts[v] for v in Verdict},
        "files_unconfirmed": sum(found.unconfirmed for found in findings),
        **{f"files_{trait}": traits[trait] for trait in Trait},
        "files_in_error": verdicts[None],
        "files_unreadable": unreadable,
    }


def pattern(path: str) -> str:
    """Return a path with every number as N."""
    return _NUMBERS.sub("N", path)


def groups(findings: Iterable[FileFinding]) -> list[Group]:
    """Put files together that differ in their numbers only; the order is kept."""
    found: dict[tuple[str, Verdict | None, tuple[Trait, ...]], list[FileFinding]] = {}
    for one in findings:
        found.setdefault((pattern(one.path), one.verdict, one.traits), []).append(one)
    return [Group(key[0], len(files), files[0]) for key, files in found.items()]


def changes(base: Iterable[FileFinding], new: Iterable[FileFinding]) -> list[Change]:
    """Return the files whose verdict differs between two sandboxes of one host.

    Files that only one of the two sweeps met are left out: they come and go on the host.
    """
    before = {one.path: _word(one) for one in base}
    counted: Counter[tuple[str, str, str]] = Counter()
    for one in new:
        was = before.get(one.path)
        if was is not None and was != _word(one):
            counted[pattern(one.path), was, _word(one)] += 1
    return [Change(path, files, was, now) for (path, was, now), files in counted.items()]


def _word(found: FileFinding) -> str:
    return "error" if found.verdict is None else found.verdict.value
