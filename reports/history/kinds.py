"""Record what the values of a run are of; apart from how they are made, which takes pandas."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np

from benchmarks.results.records import Direction, Unit

METHOD = 1
"""Version of how a run is made one value; another one begins other series."""


class Kind(msgspec.Struct, frozen=True, kw_only=True):
    """What one value of a run is of.

    Attributes:
        sandbox: Name of the sandbox.
        workload: Name of the workload.
        metric: Name of the metric.
        parameters: Dimensions that tell it from its neighbours, as a JSON object.
        method: Digest of how it was measured: campaign, resources, definition of the workload.
        title: The metric in words.
        unit: Unit of what was measured.
        direction: Which way is better.
        by_native: Whether the value is over native's in the same block.
        role: ``judged`` where a change may be an alarm, ``host`` for native's headlines, by which
            the others are taken, ``context`` for the rest.
    """

    sandbox: str
    workload: str
    metric: str
    parameters: str
    method: str
    title: str
    unit: Unit
    direction: Direction
    by_native: bool
    role: str


class Facts(msgspec.Struct, frozen=True):
    """What a run says of where and with what it was measured.

    Attributes:
        identity: The host's identity, of which its class is made.
        settings: All that may explain a change, by name; none that drifts by itself.
        epoch: Kernel and image.
    """

    identity: dict[str, Any]
    settings: dict[str, str]
    epoch: dict[str, str]


class RunValues(msgspec.Struct, kw_only=True):
    """One run as values.

    Attributes:
        run: Identifier of the run.
        created_at: Seconds since the epoch.
        commit: What was measured, where the run says.
        facts: Where and with what.
        kinds: What the values are of.
        values: (kinds, 3): lower end, median, upper end; NaN where there is none.
        failed: Whether a value is missing because it was tried for in vain.
    """

    run: str
    created_at: float
    commit: str | None
    facts: Facts
    kinds: list[Kind]
    values: np.ndarray[tuple[int, int], np.dtype[np.float64]]
    failed: list[bool]
