"""Further starts of sandboxes whose start is cheap, within a block and turn by turn.

Turn by turn, so that what the host does meanwhile meets all of them alike. The first turn warms up
for the others (``benchmarks.stats.levels``).
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from benchmarks.results.records import Status
from benchmarks.session.visit import visit
from benchmarks.stats import levels

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from benchmarks.experiments.base import Context, Experiment
    from benchmarks.results.records import Sample

FEWEST = 10
"""Fewest repetitions that a block has where it has any, if the campaign allows as many."""
_UNTOLD = 15
"""Repetitions of a block before it is known how much they vary."""


@dataclass
class Taken:
    """What further starts of one sandbox gave.

    Attributes:
        samples: Of all of them.
        seconds: Their wall time, coming to rest included.
    """

    samples: list[Sample] = field(default_factory=list)
    seconds: float = 0.0


def number(most: int, blocks: Sequence[Sequence[float]], *, one_s: float, block_s: float) -> int:
    """Return how often a sandbox is started again in the next block.

    Args:
        most: Most often.
        blocks: Its repeated starts so far, by block, in seconds.
        one_s: Time that one took, its stop included, in seconds; 0 before any.
        block_s: Time that all else in a block took, in seconds.
    """
    found = levels.levels(blocks)
    if found is None or one_s <= 0 or block_s <= 0:
        return min(most, _UNTOLD)
    best = levels.worthwhile(found, one_s=one_s, block_s=block_s)
    return min(most, max(FEWEST, round(best)))


def turns(
    times: Mapping[str, int],
    repeated: Mapping[str, Collection[Experiment]],
    order: Callable[[int], Sequence[str]],
    begin: Callable[[str, int, int], Context],
) -> dict[str, Taken]:
    """Start sandboxes turn by turn; one that fails is not started again in this block.

    Args:
        times: How often each is started after the first turn.
        repeated: What is done on each start.
        order: Returns the order of a turn, of all sandboxes.
        begin: Waits until the host has come to rest, and returns where the start of a sandbox at
            this position and of this number is recorded.
    """
    taken = {name: Taken() for name in times}
    left = dict(times)
    for turn in range(max(times.values()) + 1):
        names = [name for name in order(turn) if left.get(name, -1) >= turn]
        for position, name in enumerate(names):
            began = time.monotonic()
            context = begin(name, position, turn)
            visit(context, tuple(repeated[name]), ())
            taken[name].samples += context.record.samples
            taken[name].seconds += time.monotonic() - began
            if any(sample.status is not Status.OK for sample in context.record.samples):
                left[name] = -1
    return taken
