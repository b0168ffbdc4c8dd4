"""One visit to a sandbox's network: its workloads whose server is in another place.

It has instances of its own, connected to the campaign's testbed, so that no start that is measured
takes part in a network. What is asked of the host comes first, while nothing else runs; then a
second instance is started, which serves what is asked of a peer.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

from benchmarks.errors import MeasurementError, NotSupportedError, UnsuitableHostError
from benchmarks.experiments.base import Cadence, Context, Experiment, Need, Request
from benchmarks.experiments.leftovers import left_for_good
from benchmarks.experiments.network_server import serving
from benchmarks.experiments.tools import accounts, programs, record_results, run_workload
from benchmarks.results import metrics
from benchmarks.sandboxes import find, make_testbed
from benchmarks.sandboxes.base import Networked

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager, ExitStack

    from benchmarks.results.records import MetricInfo, SandboxInfo
    from benchmarks.sandboxes.base import Endpoint, Sandbox, Setting, Testbed
    from benchmarks.workloads import Workload


class Network(Experiment):
    """All workloads whose server is in another place."""

    name = "network"
    title = "speed and latency between two places"
    cadence = Cadence.BLOCK
    workloads = ()
    place = 60

    def __init__(self, request: Request) -> None:
        """Take the campaign's workloads that have a server."""
        super().__init__(request)
        self.asked = tuple(name for name, one in request.loaded.items() if one.server is not None)
        self._workloads = [request.loaded[name] for name in self.asked]
        self._testbed: Testbed | None = None
        self._refusal = "no testbed was made"

    @classmethod
    def chosen(cls, request: Request) -> Iterator[Experiment]:
        if any(workload.server is not None for workload in request.loaded.values()):
            yield cls(request)

    def metrics(self) -> tuple[MetricInfo, ...]:
        return tuple(info for one in self._workloads for info in (*one.metrics(), *accounts(one)))

    def estimate(self, start_s: float) -> float:
        peers = any(_where(workload) == "peer" for workload in self._workloads)
        return sum(workload.seconds for workload in self._workloads) + start_s * (1 + peers)

    def needs(self) -> Iterable[Need]:
        both = zip(self.asked, self._workloads, strict=True)
        return [Need(name, workload.name, programs(workload)) for name, workload in both]

    def details(self, info: SandboxInfo) -> Mapping[str, Any]:
        how = find(info.name).network
        return {} if how is None else {"network": how}

    def open(self, stack: ExitStack, sandboxes: Mapping[str, Sandbox], setting: Setting) -> None:
        """Make the testbed; a host that has none measures the rest."""
        try:
            self._testbed = stack.enter_context(make_testbed(sandboxes, setting))
        except UnsuitableHostError as error:
            self._refusal = str(error)

    def run(self, context: Context) -> None:
        """Run each once; a failure is its status."""
        if self._testbed is None:
            _unmeasured(context, self._workloads, NotSupportedError(self._refusal))
            return
        waiting = self._in_order(context)
        try:
            with _connected(context.sandbox, self._testbed) as client:
                while waiting:
                    where = _where(waiting[0])
                    asked = [workload for workload in waiting if _where(workload) == where]
                    waiting = waiting[len(asked) :]
                    _ask(context, client, self._server(context, where), asked)
        except MeasurementError as error:
            _unmeasured(context, waiting, error)
            if not waiting:
                context.record.failed([metrics.STOP], error)
        testbed = self._testbed
        if left := left_for_good(lambda: [*context.sandbox.leftovers(), *testbed.leftovers()]):
            context.record.flag("leftover")
            said = MeasurementError(f"left behind on the host: {'; '.join(left)}")
            context.record.failed([metrics.STOP], said)

    def _in_order(self, context: Context) -> list[Workload]:
        """Return the workloads as drawn for this visit, those that ask the host first."""
        shuffled = list(self._workloads)
        drawn = f"{context.seed}/{context.block}/{context.name}/network"
        random.Random(drawn).shuffle(shuffled)  # noqa: S311  # not cryptography
        return sorted(shuffled, key=_where)

    def _server(self, context: Context, where: str) -> AbstractContextManager[Endpoint]:
        assert self._testbed is not None  # the caller has looked
        if where == "host":
            return self._testbed.host()
        return _connected(context.sandbox, self._testbed)


def _where(workload: Workload) -> str:
    assert workload.server is not None  # these alone are asked for
    return workload.server.where


def _connected(sandbox: Sandbox, testbed: Testbed) -> AbstractContextManager[Endpoint]:
    if not isinstance(sandbox, Networked):
        raise NotSupportedError("no network between sandboxes: it only starts programs")
    return sandbox.networked(testbed)


def _ask(
    context: Context,
    client: Endpoint,
    serving_end: AbstractContextManager[Endpoint],
    workloads: Sequence[Workload],
) -> None:
    """Run workloads whose servers are in one place, which is there for their length alone."""
    waiting = list(workloads)
    try:
        with serving_end as server:
            while waiting:
                _run(context, client, server, waiting.pop(0))
    except MeasurementError as error:
        _unmeasured(context, waiting, error)
        if not waiting:
            context.record.failed([metrics.STOP], error)


def _run(context: Context, client: Endpoint, server: Endpoint, workload: Workload) -> None:
    context.record.begin()
    args = workload.args(context.resources, server.address)
    try:
        with serving(server, workload, context.resources):
            results = run_workload(client.instance, workload, args)
    except MeasurementError as error:
        _unmeasured(context, [workload], error)
    else:
        record_results(context.record, workload, results, {metrics.PATH: _where(workload)})


def _unmeasured(context: Context, workloads: Sequence[Workload], error: MeasurementError) -> None:
    for workload in workloads:
        context.record.failed(workload.metrics(), error, {metrics.PATH: _where(workload)})
