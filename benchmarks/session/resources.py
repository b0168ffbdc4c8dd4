"""The CPUs and memory that every sandbox of a campaign gets alike."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.host import processors
from benchmarks.results.records import Resources
from benchmarks.sandboxes import find

if TYPE_CHECKING:
    from benchmarks.campaign.config import Campaign


def choose_resources(campaign: Campaign) -> Resources:
    """Return the CPUs and memory that every sandbox gets alike.

    Raises:
        UnsuitableHostError: The host has fewer CPUs than asked for, or not those named.
    """
    return Resources(
        cpus=campaign.cpus,
        cpuset=processors.select(campaign.cpus, campaign.cpuset),
        memory_bytes=campaign.memory_mib << 20,
        enforced={name: find(name).enforcement(name) for name in campaign.sandboxes},
    )
