"""How long a campaign will take, as far as that can be told before anything is measured.

A workload says itself how long it works; a start and a stop take what was measured on a host with
two cores (docs/peers.md, docs/vmdriver.md): for a VM that is the profile ``tuned`` with its CPU
emulated. An estimate is for planning an afternoon and never enters a result.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from benchmarks import workloads
from benchmarks.experiments import burst
from benchmarks.results import metrics
from benchmarks.sandboxes import find

if TYPE_CHECKING:
    from benchmarks.campaign.config import Campaign

_EVERY_BLOCK = frozenset(
    {
        metrics.STARTUP,
        metrics.MEMORY,
        metrics.IDLE,
        metrics.DENSITY,
        metrics.PARALLEL,
        metrics.COLD,
    }
)
_ONCE = frozenset(metrics.BUILT_IN) - _EVERY_BLOCK


class Estimate(NamedTuple):
    """What a campaign is expected to take.

    Attributes:
        block_s: Wall time of one block, in seconds.
        blocks: Most blocks that the budget allows, within the campaign's own bounds.
        seconds: Wall time of that many blocks.
        once: Built-in workloads that are looked at once, whose time is not in it.
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
    block = sum(_visit_s(campaign, name) for name in campaign.sandboxes)
    affordable = int(campaign.budget_s / block) if block else campaign.blocks_max
    blocks = min(max(affordable, campaign.blocks_min), campaign.blocks_max)
    once = tuple(name for name in campaign.workloads if name in _ONCE)
    return Estimate(block, blocks, blocks * block, once)


def _visit_s(campaign: Campaign, sandbox: str) -> float:
    start = find(sandbox).estimate_s(sandbox)
    seconds = start
    if metrics.MEMORY in campaign.workloads:
        seconds += campaign.settle_s
    if metrics.IDLE in campaign.workloads:
        seconds += campaign.settle_s + campaign.idle_s
    if metrics.DENSITY in campaign.workloads:
        seconds += campaign.density_max * (start + campaign.settle_s)
    if metrics.PARALLEL in campaign.workloads:
        seconds += start * sum(burst.numbers(campaign.parallel_max))
    if metrics.COLD in campaign.workloads:  # and once more, to warm up again
        seconds += 2 * start
    servers = set()
    for name in campaign.workloads:
        if name in metrics.BUILT_IN:
            continue
        workload = workloads.load(name)
        seconds += workload.seconds
        if workload.neighbour is not None:  # once more, beside an instance of its own
            seconds += workload.neighbour.lead_s + workload.seconds + start
        if workload.server is not None:
            servers.add(workload.server.where)
    # instances of their own: whoever asks, and the peer where one is asked
    return seconds + start * (bool(servers) + ("peer" in servers))
