"""How long a campaign will take, as far as that can be told before anything is measured.

A workload says itself how long it works; a start and a stop take what was measured on a host with
two cores (docs/peers.md, docs/vmdriver.md): for a VM that is the profile ``tuned`` with its CPU
emulated. An estimate is for planning an afternoon and never enters a result.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from benchmarks.experiments import base as experiments
from benchmarks.experiments.base import Cadence
from benchmarks.sandboxes import find

if TYPE_CHECKING:
    from collections.abc import Iterable

    from benchmarks.campaign.config import Campaign
    from benchmarks.experiments.base import Experiment

_ROUGH = 1.25
"""An estimate that exceeds the budget by less contradicts nothing."""
_EVERY_BLOCK = (Cadence.VISIT, Cadence.BLOCK)


class Estimate(NamedTuple):
    """What a campaign is expected to take.

    Attributes:
        block_s: Wall time of one block, in seconds.
        blocks: Most blocks that the budget allows, within the campaign's own bounds.
        seconds: Wall time of that many blocks.
        once: What the campaign names that is done once, whose time is not in it.
    """

    block_s: float
    blocks: int
    seconds: float
    once: tuple[str, ...]


def estimate(campaign: Campaign) -> Estimate:
    """Estimate what a campaign takes at most; a precision that is reached ends it earlier.

    Raises:
        WorkloadError: A workload's definition cannot be used.
    """
    asked = experiments.asked(campaign.workloads, campaign.options)
    repeated = [one for one in asked if one.cadence in _EVERY_BLOCK]
    block = sum(_visit_s(repeated, name) for name in campaign.sandboxes)
    affordable = int(campaign.budget_s / block) if block else campaign.blocks_max
    blocks = min(max(affordable, campaign.blocks_min), campaign.blocks_max)
    others = [one for one in asked if one.cadence not in _EVERY_BLOCK]
    once = {name for one in others for name in one.asked}
    in_order = tuple(name for name in campaign.workloads if name in once)
    return Estimate(block, blocks, blocks * block, in_order)


def too_short(campaign: Campaign) -> str | None:
    """Return a sentence where the budget is clearly below what the fewest blocks take, else None.

    Raises:
        WorkloadError: A workload's definition cannot be used.
    """
    fewest_s = estimate(campaign).block_s * campaign.blocks_min
    if fewest_s <= campaign.budget_s * _ROUGH:
        return None
    return (
        f"a budget of {campaign.budget_s:g} s is less than the {campaign.blocks_min} blocks take "
        f"that are measured at least: about {fewest_s:.0f} s; fewer --blocks, sandboxes or "
        "workloads take less"
    )


def _visit_s(repeated: Iterable[Experiment], sandbox: str) -> float:
    start = find(sandbox).estimate_s(sandbox)
    return start + sum(one.estimate(start) for one in repeated)
