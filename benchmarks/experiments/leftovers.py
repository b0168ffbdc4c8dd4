"""What is left on the host of instances that have ended: it fails what was measured."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from benchmarks.errors import MeasurementError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from benchmarks.experiments.base import Context
    from benchmarks.results.records import MetricInfo
    from benchmarks.sandboxes.base import Sandbox

_GONE_WITHIN_S = 5.0


def left_for_good(look: Callable[[], list[str]]) -> list[str]:
    """Return what is left of many instances, once the last of their processes had time to go.

    Args:
        look: Names what is there now.
    """
    until = time.monotonic() + _GONE_WITHIN_S
    while (left := look()) and time.monotonic() < until:
        time.sleep(0.1)
    return left


def refuse_leftovers(sandbox: Sandbox) -> None:
    """Fail where anything is left for good.

    Raises:
        MeasurementError: Something is, and the message names it.
    """
    if left := left_for_good(sandbox.leftovers):
        raise MeasurementError(f"left behind on the host: {'; '.join(left)}")


def record_leftovers(context: Context, metrics: Sequence[MetricInfo]) -> None:
    """Record failures in place of all that was recorded, where anything is left for good."""
    try:
        refuse_leftovers(context.sandbox)
    except MeasurementError as error:
        context.record.samples = []
        context.record.failed(metrics, error)
