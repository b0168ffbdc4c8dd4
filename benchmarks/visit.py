"""One visit: start a sandbox once, run every workload on that one instance, stop it.

Whatever goes wrong becomes the status of a sample; only a failing harness raises.
"""

from __future__ import annotations

import random
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec
import psutil

from benchmarks import density, metrics, neighbour
from benchmarks.errors import MeasurementError
from benchmarks.records import MetricInfo, Sample, Status, Unit

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from benchmarks.records import Resources
    from benchmarks.sandboxes.base import Instance, Sandbox
    from benchmarks.workloads import Workload

_NANOSECONDS = 1e-9
_GONE_WITHIN_S = 5.0
_CPU_METRICS = ("host_cpu_s", "host_cpu_s_per_event")

type LastAct = Callable[[Instance], None]
"""Something done once on the instance beside the workloads, such as reading the probes."""


@dataclass(frozen=True)
class Plan:
    """What to do in one visit.

    Attributes:
        run: Identifier of the run.
        seed: Seed of the campaign; the workloads' order is drawn from it.
        block: Number of the block.
        position: Place of this visit in its block, from 0.
        resources: What the sandbox was given.
        startup: Whether to record the boundaries of the start.
        memory: Whether to record the memory ladder.
        workloads: Workloads to run.
        settle_s: Idle time before memory is read, in seconds.
        last_act: Done last on the running instance, or None.
    """

    run: str
    seed: int
    block: int
    position: int
    resources: Resources
    startup: bool
    memory: bool
    workloads: Sequence[Workload]
    settle_s: float
    last_act: LastAct | None = None


class _Recorder:
    """Collects the samples of one visit."""

    def __init__(self, plan: Plan, sandbox: str) -> None:
        self._plan = plan
        self.sandbox = sandbox
        self._started_at = time.time()
        self.samples: list[Sample] = []

    def begin(self) -> None:
        """Date the samples that follow from now."""
        self._started_at = time.time()

    def add(
        self,
        workload: str,
        metric: str,
        unit: Unit,
        value: float | str | None,
        *,
        status: Status = Status.OK,
        detail: str | None = None,
    ) -> None:
        """Record one value; a word goes to ``text``."""
        self.samples.append(
            Sample(
                run=self._plan.run,
                block=self._plan.block,
                sandbox=self.sandbox,
                workload=workload,
                metric=metric,
                unit=unit,
                status=status,
                started_at=self._started_at,
                value=None if isinstance(value, str) else value,
                text=value if isinstance(value, str) else None,
                detail=detail,
                dimensions={"position": str(self._plan.position)},
            ),
        )

    def flag(self, disturbance: str) -> None:
        """Flag everything recorded so far."""
        self.samples = [
            msgspec.structs.replace(sample, flags=(*sample.flags, disturbance))
            for sample in self.samples
        ]

    def failed(self, headlines: Sequence[MetricInfo], error: MeasurementError) -> None:
        """Record that these metrics could not be measured, and why."""
        status = Status.TIMEOUT if error.timed_out else Status.FAILED
        if error.out_of_memory:
            status = Status.OUT_OF_MEMORY
        for info in headlines:
            self.add(info.workload, info.metric, info.unit, None, status=status, detail=str(error))


def visit(sandbox: Sandbox, plan: Plan) -> list[Sample]:
    """Carry one visit out and return its samples, failures included.

    A start that failed is always recorded, also where starts were not asked for. Whatever is left
    behind fails the stop, and flags everything else the visit measured.
    """
    record = _Recorder(plan, sandbox.info.name)
    available_before = psutil.virtual_memory().available
    try:
        instance = sandbox.start()
    except MeasurementError as error:
        record.failed(_headlines(plan), error)
        return record.samples
    stop_failure: MeasurementError | None = None
    try:
        with instance:
            _measure(record, plan, sandbox, instance, available_before)
            instance.stop()
    except MeasurementError as error:
        stop_failure = error
    left = sandbox.leftovers()
    if left:
        said = "; ".join(left)
        stop_failure = MeasurementError(f"left behind on the host: {said}")
        record.flag("leftover")
    _record_stop(record, plan, instance, stop_failure)
    return record.samples


def crowd(sandbox: Sandbox, plan: Plan, ceiling: density.Ceiling) -> list[Sample]:
    """Start many instances at once and return what they came to; a failure is its status."""
    record = _Recorder(plan, sandbox.info.name)
    told = [info for info in metrics.catalogue() if info.workload == metrics.DENSITY]
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
        value = float(getattr(found, info.metric.removeprefix("density_")))
        record.add(info.workload, info.metric, info.unit, value, detail=said)
    if left := _left_for_good(sandbox):
        record.samples = []
        said = "; ".join(left)
        record.failed(told, MeasurementError(f"left behind on the host: {said}"))
    return record.samples


def _left_for_good(sandbox: Sandbox) -> list[str]:
    """Return what is left of many instances, once the last of their processes had time to go."""
    until = time.monotonic() + _GONE_WITHIN_S
    while (left := sandbox.leftovers()) and time.monotonic() < until:
        time.sleep(0.1)
    return left


def _measure(
    record: _Recorder,
    plan: Plan,
    sandbox: Sandbox,
    instance: Instance,
    available_before: int,
) -> None:
    if plan.startup:
        _record_start(record, instance)
    if plan.memory:
        _record_memory(record, plan, instance, available_before)
    shuffled = list(plan.workloads)
    order = random.Random(f"{plan.seed}/{plan.block}/{record.sandbox}")  # noqa: S311  # not cryptography
    order.shuffle(shuffled)
    for workload in shuffled:
        if workload.neighbour is None:
            _record_workload(record, plan, instance, workload)
        else:
            _record_neighboured(record, plan, sandbox, instance, workload)
    if plan.last_act is not None:
        plan.last_act(instance)


def _record_stop(
    record: _Recorder,
    plan: Plan,
    instance: Instance,
    failure: MeasurementError | None,
) -> None:
    stamps = instance.stamps
    if failure is not None:
        record.failed([_metric("stop_s")], failure)
    elif plan.startup and "stopped" in stamps:
        seconds = (stamps["stopped"] - stamps["stop_asked"]) * _NANOSECONDS
        record.add(metrics.STARTUP, "stop_s", Unit.SECONDS, seconds)


def _record_start(record: _Recorder, instance: Instance) -> None:
    stamps = instance.stamps
    for boundary in metrics.BOUNDARIES:
        if boundary in stamps:
            seconds = (stamps[boundary] - stamps["requested"]) * _NANOSECONDS
            record.add(metrics.STARTUP, f"startup_{boundary}_s", Unit.SECONDS, seconds)


def _record_memory(
    record: _Recorder,
    plan: Plan,
    instance: Instance,
    available_before: int,
) -> None:
    time.sleep(plan.settle_s)
    record.begin()
    available = psutil.virtual_memory().available
    try:
        ladder = dict(instance.memory())
    except MeasurementError as error:
        record.failed([info for info in _headlines(plan) if info.workload == "memory"], error)
        return
    ladder["memavailable_delta_bytes"] = available_before - available
    for info in metrics.catalogue():
        if info.workload == metrics.MEMORY and info.metric in ladder:
            value = ladder[info.metric]
            status = Status.OK if value is not None else Status.UNSUPPORTED
            record.add(metrics.MEMORY, info.metric, info.unit, value, status=status)


def _record_workload(
    record: _Recorder,
    plan: Plan,
    instance: Instance,
    workload: Workload,
) -> None:
    record.begin()
    try:
        before = instance.cpu_seconds()
        completed = instance.run(workload.args(plan.resources), timeout_s=workload.timeout_s)
        after = instance.cpu_seconds()
        accounted = before is not None and after is not None
        results = workload.read(completed, (after or 0.0) - (before or 0.0))
    except MeasurementError as error:
        record.failed(workload.metrics(), error)
        return
    for info in workload.metrics():
        if info.metric in _CPU_METRICS and not accounted:
            record.add(
                workload.name,
                info.metric,
                info.unit,
                None,
                status=Status.UNSUPPORTED,
                detail="nothing accounts for this sandbox's CPU time: it has no control group",
            )
        else:
            record.add(workload.name, info.metric, info.unit, results[info.metric])


def _record_neighboured(
    record: _Recorder,
    plan: Plan,
    sandbox: Sandbox,
    instance: Instance,
    workload: Workload,
) -> None:
    record.begin()
    try:
        results = neighbour.measure(sandbox, instance, workload, plan.resources)
    except MeasurementError as error:
        record.failed(workload.metrics(), error)
        return
    for info in workload.metrics():
        record.add(workload.name, info.metric, info.unit, results[info.metric])


def _headlines(plan: Plan) -> list[MetricInfo]:
    """Return the metrics that stand for everything a visit would have measured."""
    built_in = [_metric("startup_main_s"), *([_metric("rss_bytes")] if plan.memory else [])]
    return [*built_in, *(info for workload in plan.workloads for info in workload.metrics())]


def _metric(name: str) -> MetricInfo:
    return next(info for info in metrics.catalogue() if info.metric == name)
