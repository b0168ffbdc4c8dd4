"""The CPUs and memory of a campaign: which ones, and how each kind of sandbox is held to them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from benchmarks.errors import UnsuitableHostError
from benchmarks.results.records import Resources

if TYPE_CHECKING:
    from benchmarks.campaign.config import Campaign

_ENFORCED = {
    "native": "CPU affinity and the memory cgroup of the process that starts it",
    "container": "CPU affinity, CFS quota and memory limit of its own cgroup, pids limit",
    "oci": "as the container, by the runtime's own control group",
    "podman": "memory, CPU, CPU set and pids options of podman's own run",
    "docker": "memory, CPU, CPU set and pids options of docker's own run",
    "peer": "CPU affinity alone: it knows no control groups",
    "floor": "as the container",
    "vm": "number of vCPUs, bound to the same CPUs, size of guest RAM, CFS quota and pids limit of "
    "QEMU's own cgroup",
    "fake": "not at all: nothing runs",
}
_UNLIMITED = "CPU affinity alone: this variant has no control group"


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
        enforced={name: _enforced(name) for name in campaign.sandboxes},
    )


def _enforced(name: str) -> str:
    return _UNLIMITED if name.endswith("no-cgroup") else _ENFORCED[name.partition(":")[0]]
