"""Limits and time limits that are the same for all kinds of sandbox."""

from pathlib import Path

import runtime
from benchmarks.results.records import Resources
from runtime.harness import layout

STOP_GRACE_S = 10.0
"""Longest time an instance may take to stop when asked, before it is killed."""

START_TIMEOUT_S = 60.0
"""Longest wait for a workload's first instruction before the start counts as failed."""

KILL_TIMEOUT_S = 5.0
"""Longest wait for the end of what was killed."""

PIDS_LIMIT = 512
"""Tasks in the control group of an instance; of a VM they are QEMU's threads."""

_SWAPS = Path("/proc/swaps")
_COMMAND_LINE = Path("/proc/cmdline")
_MEMORY_AND_SWAP = "memory.memsw.limit_in_bytes"


def of_container(resources: Resources) -> runtime.Resources:
    """Return the limits of a container as our runtime takes them."""
    import runtime

    return runtime.Resources(
        memory_limit_bytes=resources.memory_bytes,
        memory_swap_bytes=swap_bytes(),
        cpus=float(resources.cpus),
        pids_limit=PIDS_LIMIT,
    )


def swap_bytes() -> int | None:
    """Return 0, which allows no swap space; None where the host has none or does not count it.

    A limit on memory alone leaves swap space unlimited, and docker and podman allow as much swap
    space as memory. With this limit every container has none.
    Sources: "memory.swap.max" in Documentation/admin-guide/cgroup-v2.rst; cgroup-v1/memory.rst,
    2.4; swapaccount= in kernel-parameters.txt; proc_swaps(5).
    """
    return 0 if _has_swap() and _swap_is_counted() else None


def _has_swap() -> bool:
    return len(_SWAPS.read_text().splitlines()) > 1  # below the heading


def _swap_is_counted() -> bool:
    found = layout.current()
    if found.v2:
        return "swapaccount=0" not in _COMMAND_LINE.read_text().split()
    return "memory" in found.v1 and (Path(found.v1["memory"]) / _MEMORY_AND_SWAP).exists()
