"""Density: many idle containers at once, the time to start the last ones and the memory of each."""

import gc
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from scipy import stats

from runtime import Engine, Spec

_GROUP = 100
_POINTS = 10
_SETTLE_S = 0.5


@dataclass(frozen=True)
class Density:
    """Result for one specification.

    Attributes:
        count: Number of containers at once.
        first_ms: Median start (requested to executed) of the first hundred; `last_ms` of the last.
        slope_bytes: Bytes of memory that each instance takes (Theil-Sen over ten points),
            with its 95 % interval.
    """

    count: int
    first_ms: float
    last_ms: float
    slope_bytes: float
    low_bytes: float
    high_bytes: float


def measure(engine: Engine, spec: Spec, count: int) -> Density:
    """Start ``count`` containers, read the host's memory after every tenth of them, and end them.

    MemAvailable counts what the kernel could give to others (proc_meminfo(5)), so pages that the
    containers share count once.
    """
    engine.prepare(spec)
    with engine.run(spec):
        pass  # so that what is made once for all is not counted
    costs: list[float] = []
    points: list[tuple[int, float]] = [(0, available_bytes())]
    with ExitStack() as stack:
        for number in range(1, count + 1):
            asked = time.monotonic_ns()
            stack.enter_context(engine.run(spec))
            costs.append((time.monotonic_ns() - asked) / 1e6)
            if number % max(1, count // _POINTS) == 0:
                points.append((number, available_bytes()))
        gc.collect()
    numbers, free = zip(*points, strict=True)
    slope, _, low, high = stats.theilslopes(free, numbers)
    size = min(_GROUP, count)
    return Density(
        count=count,
        first_ms=median(costs[:size]),
        last_ms=median(costs[-size:]),
        slope_bytes=-slope,
        low_bytes=-high,
        high_bytes=-low,
    )


def available_bytes() -> float:
    """Return MemAvailable in bytes, after it has settled."""
    time.sleep(_SETTLE_S)
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemAvailable"):
            return float(line.split()[1]) * 1024
    raise OSError("/proc/meminfo has no MemAvailable")
