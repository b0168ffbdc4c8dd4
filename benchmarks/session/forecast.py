"""How many blocks a run will have and how long it still takes, by what it has measured so far.

The fewest blocks of a campaign are measured whatever the budget, so they are counted in.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from benchmarks.campaign.estimate import estimate

if TYPE_CHECKING:
    from benchmarks.campaign.config import Campaign
    from benchmarks.session.allocation import Allocation
    from benchmarks.session.history import History


class Forecast:
    """Looks ahead from the block that was begun last."""

    def __init__(self, campaign: Campaign, allocation: Allocation, history: History) -> None:
        """Take what is planned, and what a run knows of its past."""
        self._campaign = campaign
        self._allocation = allocation
        self._history = history
        self._planned_s = estimate(campaign).block_s
        self._number = 1
        self._began_s = 0.0

    def begin(self, number: int) -> int:
        """Note that a block of visits begins, and return how many there will be.

        Args:
            number: Its number, from 1.
        """
        self._number, self._began_s = number, self._history.elapsed_s
        campaign = self._campaign
        one_s = self._block_s() + self._allocation.seconds(alone=True)
        left_s = campaign.budget_s - self._began_s
        fitting = number - 1 + math.floor(max(left_s, 0) / one_s) if one_s else campaign.blocks_max
        return max(number, min(max(campaign.blocks_min, fitting), campaign.blocks_max))

    def left_s(self) -> float:
        """Return the time left, in seconds: the budget's, or the fewest blocks' where longer."""
        campaign, elapsed_s = self._campaign, self._history.elapsed_s
        block_s, begun = self._block_s(), self._number - 1
        inside_s = elapsed_s - self._began_s
        alone_s = self._allocation.seconds(alone=True)
        most_s = (campaign.blocks_max - begun) * (block_s + alone_s) - inside_s
        fewest_s = (campaign.blocks_min - begun) * block_s - inside_s
        return max(min(campaign.budget_s - elapsed_s, most_s), fewest_s, 0.0)

    def _block_s(self) -> float:
        """Return what a block takes: as planned, until one has been measured."""
        return self._allocation.seconds() if self._number > 1 else self._planned_s
