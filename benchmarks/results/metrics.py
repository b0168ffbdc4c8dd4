"""The words that experiments and reports share: names, boundaries of a start, rows of metrics.

An experiment says itself what it measures (``Experiment.metrics``); ``docs/methods.md`` defines
every metric: both boundaries, how it is read, what it leaves out.
"""

from __future__ import annotations

from benchmarks.results.records import Direction, MetricInfo, Unit

STARTUP = "startup"
MEMORY = "memory"
CHECKSUM = "checksum"
IDLE = "idle"
DENSITY = "density"
PARALLEL = "parallel"
COLD = "cold"
SMALLEST = "smallest"
LEAKS = "leaks"
CONTROLS = "controls"
SWEEP = "sweep"
SURFACE = "surface"
CHANNELS = "channels"
INTERFERENCE = "interference"

PATH = "path"
"""Dimension of a workload whose server is in another place: ``host`` or ``peer``."""

REPETITION = "repetition"
"""Dimension of a further start of a sandbox within a block, counted from 1."""

WARM_UP = "0"
"""The repetition that warms up for the others, and counts only where there are none."""

BOUNDARIES = ("spawned", "ready", "kernel", "init", "main")
"""Start boundaries after ``requested``, in the order in which an instance passes them."""

BOUNDARY_TITLES = {
    "spawned": "requested → first process exists",
    "ready": "requested → namespaces made, or VMM ready",
    "kernel": "requested → guest kernel running",
    "init": "requested → init running",
    "main": "requested → first instruction of the workload",
}

type Row = tuple[str, Unit, Direction, str]
"""Metric, unit, better direction and title."""


def infos(workload: str, *rows: Row) -> tuple[MetricInfo, ...]:
    """Return the metrics of one experiment or workload."""
    return tuple(
        MetricInfo(workload=workload, metric=metric, unit=unit, direction=direction, title=title)
        for metric, unit, direction, title in rows
    )


MAIN, READY, STOP = infos(
    STARTUP,
    ("startup_main_s", Unit.SECONDS, Direction.LOWER, BOUNDARY_TITLES["main"]),
    ("startup_ready_s", Unit.SECONDS, Direction.LOWER, BOUNDARY_TITLES["ready"]),
    (
        "stop_s",
        Unit.SECONDS,
        Direction.LOWER,
        "stop asked → nothing of the instance left running",
    ),
)
"""What every visit has, whatever else it measures: a start that may fail, whole or until it is
ready, and a stop that may."""
