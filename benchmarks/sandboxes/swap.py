"""Whether a container's memory limit is one of memory alone, or swap space comes beside it.

Of a limit alone the kernel takes swap space to be free for as much as there is, and docker and
podman make it as much again. Every container gets none, where the host has any.
Sources: "memory.swap.max" in Documentation/admin-guide/cgroup-v2.rst; cgroup-v1/memory.rst, 2.4;
swapaccount= in kernel-parameters.txt; proc_swaps(5).
"""

from __future__ import annotations

from pathlib import Path

from runtime.cgroups import layout

_SWAPS = Path("/proc/swaps")
_COMMAND_LINE = Path("/proc/cmdline")
_BOTH = "memory.memsw.limit_in_bytes"


def limit_bytes() -> int | None:
    """Return 0, which allows no swap space; None where there is none, or nobody counts it."""
    return 0 if _there() and _counted() else None


def _there() -> bool:
    return len(_SWAPS.read_text().splitlines()) > 1  # below the heading


def _counted() -> bool:
    found = layout.current()
    if found.v2:
        return "swapaccount=0" not in _COMMAND_LINE.read_text().split()
    return "memory" in found.v1 and (Path(found.v1["memory"]) / _BOTH).exists()
