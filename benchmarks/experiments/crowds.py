"""Parts of a block that start instances of their own: many that stay, many at once, one cold."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import psutil

from benchmarks.errors import MeasurementError
from benchmarks.experiments import burst as parallel
from benchmarks.experiments import density
from benchmarks.results import metrics
from benchmarks.results.records import Sample, Status, Unit
from benchmarks.session.recorder import Recorder

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.results.records import MetricInfo
    from benchmarks.sandboxes.base import Sandbox
    from benchmarks.session.recorder import Plan

_GONE_WITHIN_S = 5.0


def crowd(sandbox: Sandbox, plan: Plan, ceiling: density.Ceiling) -> list[Sample]:
    """Start many instances that stay and return what they came to; a failure is its status."""
    record = Recorder(plan, sandbox.info.name)
    told = _told(metrics.DENSITY)
    try:
        found = density.measure(sandbox, ceiling, plan.settle_s)
    except MeasurementError as error:
        record.failed(told, error)
        return record.samples
    said = (
        f"{found.count} instances, ended by {found.ended_by}; slope {found.low_bytes:.0f} to "
        f"{found.high_bytes:.0f} bytes (95 %, Theil-Sen)"
    )
    for info in told:
        value = getattr(found, info.metric.removeprefix("density_"))
        status = Status.OK if value is not None else Status.UNSUPPORTED
        record.add(info.workload, info.metric, info.unit, value, status=status, detail=said)
    return _without_leftovers(record, sandbox, told)


def burst(sandbox: Sandbox, plan: Plan, ceiling: density.Ceiling) -> list[Sample]:
    """Start 1, 2, 4 … at the same moment; numbers that the host has no room for are unsupported."""
    record = Recorder(plan, sandbox.info.name)
    told = _told(metrics.PARALLEL)
    floor = ceiling.available * psutil.virtual_memory().total
    each, full = 0.0, ""
    for count in parallel.numbers(ceiling.instances):
        dimensions = {"instances": str(count)}
        if not full and psutil.virtual_memory().available - count * each < floor:
            full = (
                f"{count} at once would leave less than {ceiling.available:.0%} of the host's "
                "memory available"
            )
        if full:
            record.nothing(told, Status.UNSUPPORTED, full, dimensions)
            continue
        record.begin()
        try:
            found = parallel.measure(sandbox, count)
            _refuse_leftovers(sandbox)
        except MeasurementError as error:
            record.failed(told, error, dimensions)
            full = f"not tried, since {error}"
            continue
        each = max(found.taken_bytes, 0.0) / count
        for info, value in zip(told, (found.median_s, found.last_s, found.per_second), strict=True):
            record.add(info.workload, info.metric, info.unit, value, dimensions=dimensions)
    return record.samples


def cold_start(sandbox: Sandbox, plan: Plan, refusal: str | None) -> list[Sample]:
    """Start one whose caches have just been dropped; where that is refused, it is unsupported."""
    record = Recorder(plan, sandbox.info.name)
    told = [info for info in _told(metrics.COLD) if _reaches(sandbox, info.metric)]
    if refusal is not None:
        record.nothing(told, Status.UNSUPPORTED, refusal)
        return record.samples
    record.begin()
    try:
        with sandbox.start() as instance:
            stamps = dict(instance.stamps)
            instance.stop()
    except MeasurementError as error:
        record.failed(told, error)
        return record.samples
    for info in told:
        reached = stamps.get(_boundary(info.metric))
        if reached is not None:
            seconds = (reached - stamps["requested"]) / 1e9
            record.add(info.workload, info.metric, Unit.SECONDS, seconds)
    return _without_leftovers(record, sandbox, told)


def left_for_good(look: Callable[[], list[str]]) -> list[str]:
    """Return what is left of many instances, once the last of their processes had time to go.

    Args:
        look: Names what is there now.
    """
    until = time.monotonic() + _GONE_WITHIN_S
    while (left := look()) and time.monotonic() < until:
        time.sleep(0.1)
    return left


def _refuse_leftovers(sandbox: Sandbox) -> None:
    if left := left_for_good(sandbox.leftovers):
        raise MeasurementError(f"left behind on the host: {'; '.join(left)}")


def _without_leftovers(record: Recorder, sandbox: Sandbox, told: list[MetricInfo]) -> list[Sample]:
    try:
        _refuse_leftovers(sandbox)
    except MeasurementError as error:
        record.samples = []
        record.failed(told, error)
    return record.samples


def _told(workload: str) -> list[MetricInfo]:
    return [info for info in metrics.catalogue() if info.workload == workload]


def _boundary(metric: str) -> str:
    return metric.removeprefix("cold_").removesuffix("_s")


def _reaches(sandbox: Sandbox, metric: str) -> bool:
    return _boundary(metric) in sandbox.info.boundaries
