"""How long a start takes when the host's caches have just been dropped."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.errors import MeasurementError
from benchmarks.experiments.base import Cadence, Context, Experiment
from benchmarks.experiments.leftovers import record_leftovers
from benchmarks.host import caches
from benchmarks.results import metrics
from benchmarks.results.records import Direction, MetricInfo, Status, Unit

if TYPE_CHECKING:
    from collections.abc import Iterable

    from benchmarks.results.metrics import Row


class ColdStart(Experiment):
    """A start that finds nothing in the host's caches."""

    name = metrics.COLD
    title = "start with cold caches"
    cadence = Cadence.BLOCK
    place = 50
    leaves_cold = True

    _refusal: str | None = None

    @classmethod
    def rows(cls) -> Iterable[Row]:
        for boundary, title in metrics.BOUNDARY_TITLES.items():
            told = f"{title}, the host's caches dropped before"
            yield f"cold_{boundary}_s", Unit.SECONDS, Direction.LOWER, told

    def estimate(self, start_s: float) -> float:
        return 2 * start_s

    def prepare(self) -> None:
        """Drop the host's caches."""
        self._refusal = caches.drop()

    def run(self, context: Context) -> None:
        """Start one instance; where the caches could not be dropped, it is unsupported."""
        record = context.record
        reached = context.sandbox.info.boundaries
        told = [info for info in self.metrics() if _boundary(info) in reached]
        if self._refusal is not None:
            record.nothing(told, Status.UNSUPPORTED, self._refusal)
            return
        record.begin()
        try:
            with context.sandbox.start() as instance:
                stamps = dict(instance.stamps)
                instance.stop()
        except MeasurementError as error:
            record.failed(told, error)
            return
        for info in told:
            if (stamp := stamps.get(_boundary(info))) is not None:
                seconds = (stamp - stamps["requested"]) / 1e9
                record.add(info.workload, info.metric, Unit.SECONDS, seconds)
        record_leftovers(context, told)


def _boundary(info: MetricInfo) -> str:
    return info.metric.removeprefix("cold_").removesuffix("_s")
