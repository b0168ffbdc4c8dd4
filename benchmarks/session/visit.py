"""One visit: start a sandbox once, run every workload on that one instance, stop it.

Whatever goes wrong becomes the status of a sample; only a failing harness raises.
"""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING

import psutil

from benchmarks.errors import MeasurementError
from benchmarks.experiments import idle, noisy_neighbour
from benchmarks.host import fingerprint
from benchmarks.results import metrics
from benchmarks.results.records import MetricInfo, Status, Unit
from benchmarks.session.recorder import CPU_METRICS, Recorder

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.results.records import Sample
    from benchmarks.sandboxes.base import Instance, Sandbox
    from benchmarks.session.recorder import Plan
    from benchmarks.workloads import Workload

_NANOSECONDS = 1e-9


def visit(sandbox: Sandbox, plan: Plan) -> list[Sample]:
    """Carry one visit out and return its samples, failures included.

    A start that failed is always recorded, also where starts were not asked for. Whatever is left
    behind fails the stop, and flags everything else the visit measured.
    """
    record = Recorder(plan, sandbox.info.name)
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


def _measure(
    record: Recorder,
    plan: Plan,
    sandbox: Sandbox,
    instance: Instance,
    available_before: int,
) -> None:
    if plan.startup:
        _record_start(record, instance)
    if plan.memory:
        _record_memory(record, plan, instance, available_before)
    if plan.idle_s is not None:
        _record_idle(record, plan, instance, plan.idle_s)
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
    record: Recorder,
    plan: Plan,
    instance: Instance,
    failure: MeasurementError | None,
) -> None:
    stamps = instance.stamps
    if failure is not None:
        record.failed([_metric("stop_s")], failure)
    elif plan.startup and "stopped" in stamps:
        asked, stopped = stamps["stop_asked"], stamps["stopped"]
        parts = {"stop_s": stopped - asked}
        if "powered_off" in stamps:  # only a guest has an end of its own before its process's
            parts["stop_guest_s"] = stamps["powered_off"] - asked
            parts["stop_host_s"] = stopped - stamps["powered_off"]
        for metric, nanoseconds in parts.items():
            record.add(metrics.STARTUP, metric, Unit.SECONDS, nanoseconds * _NANOSECONDS)


def _record_start(record: Recorder, instance: Instance) -> None:
    stamps = instance.stamps
    for boundary in metrics.BOUNDARIES:
        if boundary in stamps:
            seconds = (stamps[boundary] - stamps["requested"]) * _NANOSECONDS
            record.add(metrics.STARTUP, f"startup_{boundary}_s", Unit.SECONDS, seconds)


def _record_memory(
    record: Recorder,
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


def _record_idle(record: Recorder, plan: Plan, instance: Instance, seconds: float) -> None:
    told = [info for info in metrics.catalogue() if info.workload == metrics.IDLE]
    time.sleep(plan.settle_s)  # also after memory was read: that is work, in a guest its agent's
    record.begin()
    try:
        found = idle.measure(instance, seconds)
    except MeasurementError as error:
        record.failed(told, error)
        return
    for info in told:
        value = getattr(found, info.metric.removeprefix("idle_"))
        status = Status.OK if value is not None else Status.UNSUPPORTED
        record.add(info.workload, info.metric, info.unit, value, status=status)


def _record_workload(
    record: Recorder,
    plan: Plan,
    instance: Instance,
    workload: Workload,
) -> None:
    record.begin()
    try:
        results = run_workload(instance, workload, workload.args(plan.resources))
    except MeasurementError as error:
        record.failed(workload.metrics(), error)
    else:
        record.results(workload, results)


def run_workload(
    instance: Instance, workload: Workload, args: Sequence[str]
) -> dict[str, float | str]:
    """Run a workload's command in an instance and read its results.

    Returns:
        Metric name to number or word, the accounts of CPU time among them; without those that
        nothing keeps.

    Raises:
        MeasurementError: It could not be run, failed, or wrote what cannot be read.
    """
    before, accounts = instance.cpu_seconds(), _accounts(instance)
    completed = instance.run(args, timeout_s=workload.timeout_s)
    after, grown = instance.cpu_seconds(), _accounts(instance)
    results = workload.read(completed, (after or 0.0) - (before or 0.0))
    if before is None or after is None:
        results = {name: value for name, value in results.items() if name not in CPU_METRICS}
    for name, start in accounts.items():
        end = grown[name]
        if start is not None and end is not None:
            results[name] = end - start
    return results


def _accounts(instance: Instance) -> dict[str, float | None]:
    """Read two accounts beside the instance's own: its control group's, and the whole host's."""
    return {
        "host_charged_s": instance.charged_cpu_seconds(),
        "host_busy_s": fingerprint.busy_seconds(),
    }


def _record_neighboured(
    record: Recorder,
    plan: Plan,
    sandbox: Sandbox,
    instance: Instance,
    workload: Workload,
) -> None:
    record.begin()
    try:
        results = noisy_neighbour.measure(sandbox, instance, workload, plan.resources)
    except MeasurementError as error:
        record.failed(workload.metrics(), error)
        return
    for info in workload.metrics():
        record.add(workload.name, info.metric, info.unit, results[info.metric])


def _headlines(plan: Plan) -> list[MetricInfo]:
    """Return the metrics that stand for everything a visit would have measured."""
    built_in = [_metric("startup_main_s"), *([_metric("rss_bytes")] if plan.memory else [])]
    if plan.idle_s is not None:
        built_in.append(_metric("idle_cpu_s_per_s"))
    return [*built_in, *(info for workload in plan.workloads for info in workload.metrics())]


def _metric(name: str) -> MetricInfo:
    return next(info for info in metrics.catalogue() if info.metric == name)
