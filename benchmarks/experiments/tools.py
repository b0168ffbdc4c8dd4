"""Runs a workload's command in an instance and reads what its tool writes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.errors import MeasurementError
from benchmarks.experiments.base import Cadence, Context, Experiment, Need, Request
from benchmarks.host import fingerprint
from benchmarks.results.metrics import infos
from benchmarks.results.records import Direction, MetricInfo, Status, Unit

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from benchmarks.results.recorder import Recorder
    from benchmarks.results.records import Resources
    from benchmarks.sandboxes.base import Instance
    from benchmarks.workloads import Workload

CPU_METRICS = ("host_cpu_s", "host_cpu_s_per_event")
"""What a workload says of CPU time, where something accounts for it."""


class OfWorkload(Experiment):
    """One workload in a visit's instance, at a place drawn anew each time."""

    cadence = Cadence.VISIT
    workloads = ()
    place = 60
    drawn = True

    def __init__(self, request: Request, asked: str) -> None:
        """Take one workload, by its name in the campaign."""
        super().__init__(request)
        self.asked = (asked,)
        self.workload = request.loaded[asked]
        self.emulated = all(info.unit is Unit.WORD for info in self.workload.metrics()[:1])

    @classmethod
    def chosen(cls, request: Request) -> Iterator[Experiment]:
        return (cls(request, name) for name, one in request.loaded.items() if cls.takes(one))

    @classmethod
    def takes(cls, workload: Workload) -> bool:
        raise NotImplementedError

    def metrics(self) -> tuple[MetricInfo, ...]:
        return self.workload.metrics()

    def headlines(self) -> Sequence[MetricInfo]:
        return self.workload.metrics()

    def needs(self) -> Iterable[Need]:
        return [Need(self.asked[0], self.workload.name, programs(self.workload))]

    def commands(self, resources: Resources) -> tuple[list[str]]:
        return (self.workload.args(resources),)


class Tool(OfWorkload):
    """A workload that needs no other instance."""

    name = "tool"
    title = "a tool's own result, and the CPU time it took"

    @classmethod
    def takes(cls, workload: Workload) -> bool:
        return workload.neighbour is None and workload.server is None

    def metrics(self) -> tuple[MetricInfo, ...]:
        return (*self.workload.metrics(), *accounts(self.workload))

    def estimate(self, start_s: float) -> float:
        return self.workload.seconds

    def run(self, context: Context) -> None:
        """Run it once."""
        context.record.begin()
        args = self.workload.args(context.resources)
        try:
            results = run_workload(context.instance, self.workload, args)
        except MeasurementError as error:
            context.record.failed(self.workload.metrics(), error)
        else:
            record_results(context.record, self.workload, results)


def programs(workload: Workload) -> tuple[str, ...]:
    """Return the paths of all programs that a workload calls, its other end's too."""
    others = (workload.server, workload.neighbour)
    commands = (workload.command, *(one.command for one in others if one is not None))
    named = (*(command[0] for command in commands), *workload.needs)
    return tuple(dict.fromkeys(path for path in named if path.startswith("/")))


def accounts(workload: Workload) -> tuple[MetricInfo, ...]:
    """Return the accounts of CPU time that stand beside a workload's own metrics."""
    while_it_ran = (
        ("host_charged_s", "CPU time charged to the instance's control group while it ran"),
        ("host_busy_s", "CPU time of all threads of the host while it ran"),
    )
    return infos(
        workload.name,
        *(
            (metric, Unit.SECONDS, Direction.LOWER, f"{workload.title}: {title}")
            for metric, title in while_it_ran
        ),
    )


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
    before, started = instance.cpu_seconds(), _accounts(instance)
    completed = instance.run(args, timeout_s=workload.timeout_s)
    after, ended = instance.cpu_seconds(), _accounts(instance)
    results = workload.read(completed, (after or 0.0) - (before or 0.0))
    if before is None or after is None:
        results = {name: value for name, value in results.items() if name not in CPU_METRICS}
    for name, start in started.items():
        end = ended[name]
        if start is not None and end is not None:
            results[name] = end - start
    return results


def _accounts(instance: Instance) -> dict[str, float | None]:
    """Read two accounts beside the instance's own: its control group's, and the whole host's."""
    return {
        "host_charged_s": instance.charged_cpu_seconds(),
        "host_busy_s": fingerprint.busy_seconds(),
    }


def record_results(
    record: Recorder,
    workload: Workload,
    results: Mapping[str, float | str],
    dimensions: dict[str, str] | None = None,
) -> None:
    """Record what a workload gave; CPU time that is missing is nobody's to account for."""
    told = workload.metrics()
    record.each((*told, *accounts(workload)), results, dimensions=dimensions)
    missing = [one for one in told if one.metric in CPU_METRICS and one.metric not in results]
    why = "nothing accounts for this sandbox's CPU time: it has no control group"
    record.nothing(missing, Status.UNSUPPORTED, why, dimensions)
