"""What one visit is told to do, and the samples it has so far."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from benchmarks.errors import MeasurementError, NotSupportedError
from benchmarks.results import metrics
from benchmarks.results.records import MetricInfo, Sample, Status, Unit

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from benchmarks.results.records import Resources
    from benchmarks.sandboxes.base import Instance
    from benchmarks.workloads import Workload

CPU_METRICS = ("host_cpu_s", "host_cpu_s_per_event")
"""What a workload says of CPU time, where something accounts for it."""

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
        idle_s: How long the idle instance is watched for what it costs, in seconds; None for not.
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
    idle_s: float | None = None
    last_act: LastAct | None = None


class Recorder:
    """Collects the samples of one visit."""

    def __init__(self, plan: Plan, sandbox: str) -> None:
        """Begin with none, dated from now."""
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
        dimensions: dict[str, str] | None = None,
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
                dimensions={"position": str(self._plan.position), **(dimensions or {})},
            ),
        )

    def flag(self, disturbance: str) -> None:
        """Flag everything recorded so far."""
        self.samples = [
            msgspec.structs.replace(sample, flags=(*sample.flags, disturbance))
            for sample in self.samples
        ]

    def failed(
        self,
        headlines: Sequence[MetricInfo],
        error: MeasurementError,
        dimensions: dict[str, str] | None = None,
    ) -> None:
        """Record that these metrics could not be measured, and why."""
        status = Status.TIMEOUT if error.timed_out else Status.FAILED
        if error.out_of_memory:
            status = Status.OUT_OF_MEMORY
        if isinstance(error, NotSupportedError):
            status = Status.UNSUPPORTED
        self.nothing(headlines, status, str(error), dimensions)

    def nothing(
        self,
        headlines: Sequence[MetricInfo],
        status: Status,
        detail: str,
        dimensions: dict[str, str] | None = None,
    ) -> None:
        """Record that these metrics have no value, and why."""
        for info in headlines:
            self.add(
                info.workload,
                info.metric,
                info.unit,
                None,
                status=status,
                detail=detail,
                dimensions=dimensions,
            )

    def results(
        self,
        workload: Workload,
        results: Mapping[str, float | str],
        dimensions: dict[str, str] | None = None,
    ) -> None:
        """Record what a workload gave; host CPU time that is missing is nobody's to account for."""
        for info in workload.metrics():
            if info.metric in CPU_METRICS and info.metric not in results:
                self.nothing(
                    [info],
                    Status.UNSUPPORTED,
                    "nothing accounts for this sandbox's CPU time: it has no control group",
                    dimensions,
                )
            else:
                value = results[info.metric]
                self.add(workload.name, info.metric, info.unit, value, dimensions=dimensions)
        for info in metrics.accounts(workload.name, workload.title):
            if info.metric in results:
                value = results[info.metric]
                self.add(workload.name, info.metric, info.unit, value, dimensions=dimensions)
