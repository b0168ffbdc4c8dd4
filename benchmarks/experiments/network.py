"""One visit to a sandbox's network: its workloads whose server is in another place.

It has instances of its own, connected to the campaign's testbed, so that no start that is measured
takes part in a network. What is asked of the host comes first, while nothing else runs; then a
second instance is started, which serves what is asked of a peer.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from benchmarks.errors import MeasurementError, NotSupportedError
from benchmarks.experiments.crowds import left_for_good
from benchmarks.experiments.network_server import serving
from benchmarks.results import metrics
from benchmarks.sandboxes.base import Networked
from benchmarks.session.recorder import Recorder
from benchmarks.session.visit import run_workload

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractContextManager

    from benchmarks.results.records import Sample
    from benchmarks.sandboxes.base import Endpoint, Sandbox, Testbed
    from benchmarks.session.recorder import Plan
    from benchmarks.workloads import Workload


def measure(sandbox: Sandbox, testbed: Testbed, plan: Plan) -> list[Sample]:
    """Run the plan's workloads and return their samples; a failure is its status.

    Args:
        sandbox: Whose instances are the clients, and the peers.
        testbed: What they are connected to.
        plan: Its workloads all have a server.
    """
    record = Recorder(plan, sandbox.info.name)
    waiting = _drawn(plan, sandbox.info.name)
    try:
        with _connected(sandbox, testbed) as client:
            while waiting:
                where = _where(waiting[0])
                asked = [workload for workload in waiting if _where(workload) == where]
                waiting = waiting[len(asked) :]
                server = testbed.host() if where == "host" else _connected(sandbox, testbed)
                _ask(record, plan, client, server, asked)
    except MeasurementError as error:
        _unmeasured(record, waiting, error)
        if not waiting:
            record.failed([metrics.STOP], error)
    if left := left_for_good(lambda: [*sandbox.leftovers(), *testbed.leftovers()]):
        record.flag("leftover")
        said = MeasurementError(f"left behind on the host: {'; '.join(left)}")
        record.failed([metrics.STOP], said)
    return record.samples


def absent(sandbox: Sandbox, plan: Plan, reason: str) -> list[Sample]:
    """Return samples that say why the plan's workloads cannot be run on this host."""
    record = Recorder(plan, sandbox.info.name)
    _unmeasured(record, plan.workloads, NotSupportedError(reason))
    return record.samples


def _drawn(plan: Plan, sandbox: str) -> list[Workload]:
    """Return the workloads in an order drawn for this visit, those that ask the host first."""
    shuffled = list(plan.workloads)
    order = random.Random(f"{plan.seed}/{plan.block}/{sandbox}/network")  # noqa: S311  # not cryptography
    order.shuffle(shuffled)
    return sorted(shuffled, key=_where)


def _where(workload: Workload) -> str:
    assert workload.server is not None  # these alone are asked for
    return workload.server.where


def _connected(sandbox: Sandbox, testbed: Testbed) -> AbstractContextManager[Endpoint]:
    if not isinstance(sandbox, Networked):
        raise NotSupportedError("no network between sandboxes: it only starts programs")
    return sandbox.networked(testbed)


def _ask(
    record: Recorder,
    plan: Plan,
    client: Endpoint,
    serving_end: AbstractContextManager[Endpoint],
    workloads: Sequence[Workload],
) -> None:
    """Run workloads whose servers are in one place, which is there for their length alone."""
    waiting = list(workloads)
    try:
        with serving_end as server:
            while waiting:
                _run(record, plan, client, server, waiting.pop(0))
    except MeasurementError as error:
        _unmeasured(record, waiting, error)
        if not waiting:
            record.failed([metrics.STOP], error)


def _run(
    record: Recorder, plan: Plan, client: Endpoint, server: Endpoint, workload: Workload
) -> None:
    record.begin()
    args = workload.args(plan.resources, server.address)
    try:
        with serving(server, workload, plan.resources):
            results = run_workload(client.instance, workload, args)
    except MeasurementError as error:
        _unmeasured(record, [workload], error)
    else:
        record.results(workload, results, {metrics.PATH: _where(workload)})


def _unmeasured(record: Recorder, workloads: Sequence[Workload], error: MeasurementError) -> None:
    for workload in workloads:
        record.failed(workload.metrics(), error, {metrics.PATH: _where(workload)})
