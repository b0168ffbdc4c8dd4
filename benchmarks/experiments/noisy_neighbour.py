"""What a workload keeps of its speed while another instance of the same sandbox misbehaves."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from benchmarks.errors import MeasurementError
from benchmarks.experiments.tools import OfWorkload

if TYPE_CHECKING:
    from benchmarks.experiments.base import Context
    from benchmarks.results.records import Resources
    from benchmarks.sandboxes.base import Completed, Instance, Sandbox
    from benchmarks.workloads import Neighbour, Workload

_MORE_S = 60.0
"""How much longer than its own seconds an aggressor may take to end."""


class NoisyNeighbour(OfWorkload):
    """A workload with a neighbour: run alone, then beside it."""

    name = "noisy-neighbour"
    title = "speed kept beside another instance at work"

    @classmethod
    def takes(cls, workload: Workload) -> bool:
        return workload.neighbour is not None

    def estimate(self, start_s: float) -> float:
        assert self.workload.neighbour is not None
        return 2 * self.workload.seconds + self.workload.neighbour.lead_s + start_s

    def run(self, context: Context) -> None:
        """Run both."""
        context.record.begin()
        try:
            results = measure(context.sandbox, context.instance, self.workload, context.resources)
        except MeasurementError as error:
            context.record.failed(self.metrics(), error)
            return
        context.record.each(self.metrics(), results)


def measure(
    sandbox: Sandbox, victim: Instance, workload: Workload, resources: Resources
) -> dict[str, float]:
    """Run the workload alone, then beside a second instance at work, on the same CPUs.

    Returns:
        ``alone_per_s``, ``beside_per_s`` and ``kept_ratio``, the second over the first.

    Raises:
        MeasurementError: Either run failed, the second instance did not start or stop, or the
            aggressor failed or ended before the workload did.
    """
    assert workload.neighbour is not None  # the caller has looked
    args = workload.args(resources)
    alone = _rate(workload, victim.run(args, timeout_s=workload.timeout_s))
    with sandbox.start() as other:
        aggressor = _Aggressor(other, workload.neighbour, resources)
        aggressor.begin()
        completed = victim.run(args, timeout_s=workload.timeout_s)
        in_time = aggressor.at_work()
    # Its instance's end has ended it; what it says of that is no failure.
    failure = aggressor.ended()
    if not in_time:
        raise failure or MeasurementError(
            f"the neighbour's {workload.neighbour.command[0]} ended before {workload.name} did; "
            "give it more seconds",
        )
    beside = _rate(workload, completed)
    return {"kept_ratio": beside / alone, "alone_per_s": alone, "beside_per_s": beside}


def _rate(workload: Workload, completed: Completed) -> float:
    rate = workload.read(completed, 0.0)["throughput_per_s"]
    assert isinstance(rate, float)  # a workload with a neighbour has a speed
    return rate


class _Aggressor:
    """A command that runs in another instance, followed by a thread of its own."""

    def __init__(self, instance: Instance, neighbour: Neighbour, resources: Resources) -> None:
        self._instance = instance
        self._neighbour = neighbour
        self._args = neighbour.args(resources)
        self._failure: MeasurementError | None = None
        self._thread = threading.Thread(target=self._work, name="neighbour", daemon=True)

    def begin(self) -> None:
        """Start it, and let it get to work."""
        self._thread.start()
        time.sleep(self._neighbour.lead_s)

    def at_work(self) -> bool:
        """Tell whether it has not ended yet."""
        return self._thread.is_alive()

    def ended(self) -> MeasurementError | None:
        """Wait for its end, and return why it could not be run, or failed."""
        self._thread.join()
        return self._failure

    def _work(self) -> None:
        tool = self._args[0]
        try:
            done = self._instance.run(self._args, timeout_s=self._neighbour.seconds + _MORE_S)
        except MeasurementError as error:
            self._failure = error
            return
        if done.exit_code != 0:
            said = done.stderr.decode(errors="replace").strip()[-300:]
            self._failure = MeasurementError(
                f"the neighbour's {tool} ended with status {done.exit_code}: {said}",
            )
