"""In which order to visit the sandboxes, and when enough has been seen.

A block visits every sandbox once, in an order drawn from the seed and the block's place alone, so
that a resumed run continues with the same order. Sampling stops at the precision asked for or at
the budget, never because a difference has become significant (which would bias it).
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks.stats.estimators import relative_half_width

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from benchmarks.campaign.config import Campaign


_LOOKS = 100


@dataclass(frozen=True)
class Stop:
    """Why a campaign ended.

    Attributes:
        reason: ``precision``, ``budget`` or ``blocks``.
        reached: Sandbox to the relative half-width of its median start, None where unknown.
    """

    reason: str
    reached: Mapping[str, float | None]


def order(seed: int | str, place: int, names: Sequence[str]) -> list[str]:
    """Return an order of a series; the same arguments always give the same order.

    The orders are the rows of Williams squares, drawn anew each time all rows were used: in a
    square every name stands at every place, and behind every other name, equally often (Williams,
    Aust. J. Sci. Res. A 2 (1949) 149), so that neither place nor predecessor favours one.

    Args:
        seed: Seed of the series.
        place: Place of the order in the series, from 0.
        names: What is put in order.
    """
    rows = _williams(len(names))
    square, row = divmod(place, len(rows))
    drawn = random.Random(f"{seed}/{square}")  # noqa: S311  # not cryptography
    shuffled = list(names)
    drawn.shuffle(shuffled)
    drawn.shuffle(rows)
    return [shuffled[number] for number in rows[row]]


def _williams(count: int) -> list[list[int]]:
    """Return a square that is balanced for place and predecessor; of odd numbers two squares."""
    first = [(place + 1) // 2 if place % 2 else -(place // 2) for place in range(count)]
    rows = [[(number + row) % count for number in first] for row in range(count)]
    return rows + [row[::-1] for row in rows] if count % 2 and count > 1 else rows


def enough(
    campaign: Campaign,
    *,
    blocks: int,
    elapsed_s: float,
    next_block_s: float,
    starts: Mapping[str, Sequence[float]],
) -> Stop | None:
    """Decide whether another block is worth beginning.

    Args:
        campaign: The campaign.
        blocks: Complete blocks so far.
        elapsed_s: Wall time used so far, resumed parts included, in seconds.
        next_block_s: Estimated wall time of another block, in seconds.
        starts: Sandbox to its start times so far, in seconds.

    Returns:
        Why to stop, or None to go on.
    """
    if blocks < campaign.blocks_min:
        return None
    reason = None
    if blocks >= campaign.blocks_max:
        reason = "blocks"
    elif elapsed_s + next_block_s > campaign.budget_s:
        reason = "budget"
    if reason is None and not _looks(blocks):
        return None
    reached = {name: relative_half_width(values) for name, values in starts.items()}
    widths = [width for width in reached.values() if width is not None]
    if len(widths) == len(reached) and widths and max(widths) <= campaign.precision:
        return Stop("precision", reached)
    return Stop(reason, reached) if reason else None


def _looks(blocks: int) -> bool:
    """Tell whether the precision is looked at after this block.

    After every block at first, then each time there is 1 % more: looking takes time that grows with
    the number of blocks, and a campaign's cost per block must not.
    """
    return blocks % max(1, blocks // _LOOKS) == 0
