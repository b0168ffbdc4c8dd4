"""Whether a file's numbers move while somebody holds something, and whether both sides' do.

A stimulus holds a random amount, so that another's doings do not look like it. A number of the
host's answers if it moves by at least half of that amount and by far more than it drifts by
itself; the sandbox's follows if it moves by the same.
"""

from __future__ import annotations

import math
import re
import secrets
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from benchmarks.experiments.sweep.model import Response

if TYPE_CHECKING:
    from collections.abc import Sequence

PAGES_PER_MIB = 256
_NUMBER = re.compile(r"\d+(?:\.\d+)?")
_DRIFTS = 3.0
"""A movement must be so many times what the number would have drifted meanwhile."""
_SAME = 0.5
"""The two movements of a number may differ by this share of the larger one."""
_ALIKE = 0.25
"""The sandbox's movement may differ from the host's by this share of it ..."""
_STILL = 0.05
"""... and up to this share of it is none."""


class Stimulus(NamedTuple):
    """Something to hold: what, how much, and the least movement that answers to it."""

    act: str
    amount: int
    least: float


class Course(NamedTuple):
    """One file's readings around a stimulus: two before, one held, one released, one held again.

    Attributes:
        texts: Five readings.
        times: When each was taken, seconds of one clock.
    """

    texts: tuple[str, ...]
    times: tuple[float, ...]


def stimuli() -> tuple[Stimulus, ...]:
    """Draw the amounts: MiB, locks, processes, open files."""
    memory, locks = 64 + secrets.randbelow(33), 60 + secrets.randbelow(61)
    forks, files = 40 + secrets.randbelow(31), 200 + secrets.randbelow(101)
    return (
        Stimulus("allocate", memory, memory * PAGES_PER_MIB / 2),
        Stimulus("lock", locks, locks / 2),
        Stimulus("fork", forks, forks / 2),
        Stimulus("open", files, files / 2),
    )


def numbers(text: str) -> list[float]:
    """Return the number of lines of a text, then every number in it."""
    return [float(text.count("\n")), *map(float, _NUMBER.findall(text))]


def movements(course: Course, least: float) -> dict[int, float]:
    """Return which numbers moved, and by how much, each time that something was held.

    Twice, since other processes move numbers too, but hardly by the same at both moments. Gauges
    go back in between, counters stay. Where the number of numbers changed, only that of the lines
    is compared.
    """
    rows = [numbers(text) for text in course.texts]
    if len({len(row) for row in rows}) > 1:
        rows = [row[:1] for row in rows]
    t0, t1, t2, t3, t4 = course.times
    moved = {}
    for place, (one, base, held, free, again) in enumerate(zip(*rows, strict=True)):
        drift = _DRIFTS * abs(base - one) / max(t1 - t0, 1e-3)
        first, second = held - base, again - free
        enough = abs(first) >= least + drift * (t2 - t1)
        enough = enough and abs(second) >= least + drift * (t4 - t3)
        if enough and abs(first - second) <= _SAME * max(abs(first), abs(second)):
            moved[place] = (first + second) / 2
    return moved


def response(act: str, host: Course, sandbox: Course, least: float) -> Response | None:
    """Compare both sides of a file; None where the host's own numbers did not move."""
    moved = movements(host, least)
    if not moved:
        return None
    rows = [numbers(text) for text in sandbox.texts]
    same = len({len(row) for row in rows} | {len(numbers(host.texts[0]))}) == 1
    along, unmoved, example = 0, 0, ""
    for place, jump in moved.items():
        if place and not same:
            unmoved += 1
            example = example or f"host {jump:+.0f}, sandbox of another shape"
            continue
        _, base, held, free, again = (row[place] for row in rows)
        theirs = (held - base + again - free) / 2
        alike = abs(theirs - jump) <= _ALIKE * abs(jump)
        if alike > along or not example:
            example = f"host {jump:+.0f}, sandbox {theirs:+.0f}"
        along += alike
        unmoved += abs(theirs) <= _STILL * abs(jump)
    return Response(act=act, host=len(moved), sandbox=along, unmoved=unmoved, example=example)


def entropy_bits(texts: Sequence[str]) -> float:
    """Return the summed Shannon entropy of a file's numbers over readings, in bits.

    Each number's distribution is that of its readings, so it counts for at most the logarithm of
    their count: a lower bound for one number. Numbers are taken as independent, as in Gao et al.
    (DSN 2017, 3.4), which counts one source twice where two numbers show it.
    """
    rows = [tuple(_NUMBER.findall(text)) for text in texts]
    if len({len(row) for row in rows}) > 1:
        return _entropy(texts)
    return sum(_entropy(column) for column in zip(*rows, strict=True))


def _entropy(values: Sequence[str]) -> float:
    total = len(values)
    return -sum(n / total * math.log2(n / total) for n in Counter(values).values())
