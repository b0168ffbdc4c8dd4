"""Whether the host has come to rest before a visit: what went before may still be ending."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from benchmarks.host.conditions import BUSY_CPUS, ROOT

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

LIMIT_S = 0.5
"""How long to wait for it, in seconds; a host with other work of its own never comes to rest."""
_QUIET_LOOKS = 3
_BETWEEN_S = 0.005


def settled(
    cpus: int,
    *,
    limit_s: float = LIMIT_S,
    root: Path = ROOT,
    sleep: Callable[[float], None] = time.sleep,
) -> bool:
    """Wait until nothing else runs, three looks in a row, 5 ms apart.

    Args:
        cpus: CPUs of the host; fewer runnable tasks than half of them are no disturbance, as with
            the flag ``load``.
        limit_s: How long to wait at most, in seconds.
        root: Where to find ``proc``; another directory only in tests.
        sleep: Waits for as many seconds.

    Returns:
        Whether it came to rest in time; True where the host does not tell (proc_loadavg(5)).
    """
    quiet, until = 0, time.monotonic() + limit_s
    while True:
        others = _runnable(root)
        if others is None:
            return True
        quiet = quiet + 1 if others < max(1, BUSY_CPUS * cpus) else 0
        if quiet == _QUIET_LOOKS:
            return True
        if time.monotonic() >= until:
            return False
        sleep(_BETWEEN_S)


def _runnable(root: Path) -> int | None:
    """Count the tasks that are runnable at this instant, this one left out."""
    try:
        words = (root / "proc/loadavg").read_text(encoding="ascii").split()
        return max(0, int(words[3].partition("/")[0]) - 1)
    except (OSError, IndexError, ValueError):
        return None
