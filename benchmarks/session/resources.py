"""The CPUs and memory that every sandbox of a campaign gets alike."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from benchmarks.errors import UnsuitableHostError
from benchmarks.results.records import Resources
from benchmarks.sandboxes import find

if TYPE_CHECKING:
    from benchmarks.campaign.config import Campaign


def choose_resources(campaign: Campaign) -> Resources:
    """Return the CPUs and memory that every sandbox gets alike.

    Raises:
        UnsuitableHostError: The host has fewer CPUs than asked for, or not those named.
    """
    allowed = sorted(os.sched_getaffinity(0))
    if campaign.cpus > len(allowed):
        raise UnsuitableHostError(
            f"the campaign wants {campaign.cpus} CPUs, this host allows {len(allowed)}; "
            "lower cpus in the campaign",
        )
    chosen = campaign.cpuset or tuple(allowed[-campaign.cpus :])
    missing = sorted(set(chosen) - set(allowed))
    if missing:
        raise UnsuitableHostError(
            f"CPU {missing[0]} of the campaign's cpuset is not allowed here; "
            f"allowed are {', '.join(map(str, allowed))}",
        )
    return Resources(
        cpus=campaign.cpus,
        cpuset=tuple(sorted(chosen)),
        memory_bytes=campaign.memory_mib << 20,
        enforced={name: find(name).enforcement(name) for name in campaign.sandboxes},
    )
