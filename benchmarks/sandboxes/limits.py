"""The limits and the patience that all kinds of sandbox have alike, declared once."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from runtime.harness import layout

if TYPE_CHECKING:
    import runtime
    from benchmarks.results.records import Resources

STOP_GRACE_S = 10.0
"""How long an instance may take to stop when asked, before it is killed."""

START_TIMEOUT_S = 60.0
"""Longest wait for a workload's first instruction before the start counts as failed."""

KILL_TIMEOUT_S = 5.0
"""Longest wait for the end of what was killed."""

PIDS_LIMIT = 512
"""Tasks in the control group of an instance; of a VM they are QEMU's threads."""

_SWAPS = Path("/proc/swaps")
_COMMAND_LINE = Path("/proc/cmdline")
_BOTH = "memory.memsw.limit_in_bytes"


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
    """Return 0, which allows no swap space; None where there is none, or nobody counts it.

    Of a limit of memory alone the kernel takes swap space to be free for as much as there is, and
    docker and podman make it as much again. Every container gets none, where the host has any.
    Sources: "memory.swap.max" in Documentation/admin-guide/cgroup-v2.rst; cgroup-v1/memory.rst,
    2.4; swapaccount= in kernel-parameters.txt; proc_swaps(5).
    """
    return 0 if _there() and _counted() else None


def _there() -> bool:
    return len(_SWAPS.read_text().splitlines()) > 1  # below the heading


def _counted() -> bool:
    found = layout.current()
    if found.v2:
        return "swapaccount=0" not in _COMMAND_LINE.read_text().split()
    return "memory" in found.v1 and (Path(found.v1["memory"]) / _BOTH).exists()
