"""In which order to visit the sandboxes, and when enough has been seen.

A block visits every sandbox once, in an order drawn from the seed and the block's number alone, so
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


def order(seed: int, block: int, names: Sequence[str], turn: int = 0) -> list[str]:
    """Return the order of one block; the same arguments always give the same order.

    Args:
        seed: Seed of the run.
        block: Number of the block.
        names: What is put in order.
        turn: Number of a repetition within the block, from 1; 0 for the visits.
    """
    shuffled = list(names)
    drawn = f"{seed}/{block}/{turn}" if turn else f"{seed}/{block}"
    random.Random(drawn).shuffle(shuffled)  # noqa: S311  # not cryptography
    return shuffled


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
