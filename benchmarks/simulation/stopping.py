"""Stopping at a precision: the time it saves, and its effect on the interval's coverage.

Stopping as soon as an interval is narrow favours moments at which it is narrow by luck (Chow and
Robbins, Ann. Math. Stat. 36 (1965) 457); this simulation measures how much, with the campaign's own
rule.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks.campaign.config import Campaign
from benchmarks.campaign.schedule import enough
from benchmarks.simulation.noise import Noise
from benchmarks.stats import estimators

FIXED = 100
"""Repetitions of the fixed design it is compared with."""

_NAMES = ("container", "native")
_TRUTH_FROM = 2_000


class Stopping(NamedTuple):
    """Result of stopping at a precision.

    Attributes:
        noise: Name of the noise.
        precision: Relative half-width asked for.
        reached: Share of campaigns that reached it within the most blocks.
        blocks: Mean number of blocks.
        wall: Mean wall time over that of the fixed design, at equal time per block.
        covered: Share of the first sandbox's median intervals that covered, at the stop.
        covered_fixed: The same in the fixed design.
        precision_fixed: Median relative half-width that the fixed design reached.
    """

    noise: str
    precision: float
    reached: float
    blocks: float
    wall: float
    covered: float
    covered_fixed: float
    precision_fixed: float


def stopping(
    noise: Noise, precision: float, campaigns: int, seed: int, *, least: int = 10, most: int = 200
) -> Stopping:
    """Simulate campaigns that stop at a precision, and the fixed design on the same noise.

    Args:
        noise: Noise of the starts.
        precision: Relative half-width asked for.
        campaigns: How many to simulate.
        seed: Seed.
        least: Fewest blocks; 10 as in the preset ``startup``.
        most: Most blocks; 200 as there.
    """
    rng = np.random.default_rng([seed, 3])
    drawn = noise.draw(rng, campaigns, most)
    truth = float(np.median(noise.draw(rng, _TRUTH_FROM, most)[:, :, 0]))
    plan = Campaign(
        name="simulated",
        sandboxes=_NAMES,
        workloads=("startup",),
        blocks_min=least,
        blocks_max=most,
        budget_s=1e9,
        precision=precision,
    )
    stops = [_stop(one, plan) for one in drawn]
    at_stop = [estimators.interval(one[:n, 0]) for one, (n, _) in zip(drawn, stops, strict=True)]
    fixed = [estimators.interval(one[:FIXED, 0]) for one in drawn]
    widths = [estimators.relative_half_width(one[:FIXED, 0]) for one in drawn]
    blocks = float(np.mean([n for n, _ in stops]))
    return Stopping(
        noise=noise.name,
        precision=precision,
        reached=float(np.mean([reason == "precision" for _, reason in stops])),
        blocks=blocks,
        wall=blocks / FIXED,
        covered=_covered(at_stop, truth),
        covered_fixed=_covered(fixed, truth),
        precision_fixed=float(np.median([width for width in widths if width is not None])),
    )


def _stop(campaign: NDArray[np.float64], plan: Campaign) -> tuple[int, str]:
    """Return after how many blocks the rule stops, and why."""
    for blocks in range(plan.blocks_min, plan.blocks_max + 1):
        starts = {name: campaign[:blocks, place].tolist() for place, name in enumerate(_NAMES)}
        stop = enough(plan, blocks=blocks, elapsed_s=0.0, next_block_s=0.0, starts=starts)
        if stop is not None:
            return blocks, stop.reason
    return plan.blocks_max, "blocks"


def _covered(found: list[estimators.Interval], truth: float) -> float:
    return float(
        np.mean(
            [
                one.low is not None and one.high is not None and one.low <= truth <= one.high
                for one in found
            ]
        )
    )
