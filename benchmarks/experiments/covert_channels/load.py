"""How busy the host was meanwhile: the noise beside every number that two instances make."""

from __future__ import annotations

import psutil

_COUNTED = 8  # guest time, behind these, is counted in user time already


class Load:
    """Counts from its making."""

    def __init__(self) -> None:
        """Begin to count."""
        self._before = psutil.cpu_times()

    def share(self) -> float | None:
        """Return the share of the CPUs' time that was not idle, from /proc/stat."""
        after = psutil.cpu_times()
        spent = [b - a for a, b in zip(self._before, after, strict=True)][:_COUNTED]
        idle = (after.idle - self._before.idle) + (after.iowait - self._before.iowait)
        total = sum(spent)
        return round(max(0.0, 1 - idle / total), 3) if total > 0 else None
