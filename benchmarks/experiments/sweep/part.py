"""The sweep as a part of a campaign: totals as samples, the evidence in the run folder's logs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.errors import MeasurementError
from benchmarks.experiments.parts import sample
from benchmarks.experiments.sweep import store, totals
from benchmarks.experiments.sweep.collect import collect
from benchmarks.experiments.sweep.model import Sweep, UnreadableSweepError
from benchmarks.experiments.sweep.rules import judge
from benchmarks.results import metrics
from benchmarks.results.records import Direction, MetricInfo, Unit
from benchmarks.sandboxes import find

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from benchmarks.results.records import RunInfo, Sample
    from benchmarks.sandboxes.base import Instance

_TIMEOUT_S = 60.0
_SECONDS = "sweep_s"


class SweepPart:
    """Sweeps each sandbox, and turns what was read into totals."""

    name = "sweep"

    def __init__(self, logs: Path) -> None:
        """Read nothing yet; ``logs`` is the run folder's."""
        self._logs = logs

    def read(self, sandbox: str, instance: Instance) -> None:
        """Sweep a running instance; an error is kept in place of its reading."""

        def run(args: list[str], stdin: bytes) -> bytes:
            try:
                return instance.run(args, timeout_s=_TIMEOUT_S, stdin=stdin).stdout
            except MeasurementError as error:
                why = f"the sweep's agent could not be run: {error}"
                raise UnreadableSweepError(why) from error

        store.write_readings(self._logs, sandbox, collect(run))

    def samples(self, info: RunInfo, sandbox: str, names: Sequence[str]) -> list[Sample]:
        """Judge what was read: a verdict a file into the logs, a count a verdict into samples."""
        swept = store.read_readings(self._logs, sandbox) or Sweep(error="the sandbox did not start")
        guests = [name for name in names if find(name).isolation == "machine" and name != sandbox]
        read = (store.read_readings(self._logs, name) for name in guests)
        third = next((guest for guest in read if guest is not None), None)
        findings = judge(swept, third)
        store.write_verdicts(self._logs, sandbox, findings)
        counted = totals.totals(findings, len(swept.unreadable))
        where = f"one line a file in logs/{store.verdicts_path(self._logs, sandbox).name}"
        if third is None and not swept.own_kernel:
            where += "; no guest was swept, so no constant could be told from the host's own"
        return [
            *(
                sample(
                    info,
                    sandbox,
                    metrics.SWEEP,
                    metric,
                    unit=Unit.COUNT,
                    value=count,
                    detail=where,
                    error=swept.error,
                )
                for metric, count in counted.items()
            ),
            sample(
                info,
                sandbox,
                metrics.SWEEP,
                _SECONDS,
                unit=Unit.SECONDS,
                value=swept.took_s,
                error=swept.error,
            ),
        ]


def metric_infos() -> list[MetricInfo]:
    """Return what a run says of the sweep's totals."""
    titles = [(metric, Unit.COUNT, title) for metric, title in totals.TITLES.items()]
    titles.append((_SECONDS, Unit.SECONDS, "time the sweep took"))
    return [
        MetricInfo(
            workload=metrics.SWEEP,
            metric=metric,
            unit=unit,
            direction=Direction.NEITHER,
            title=title,
        )
        for metric, unit, title in titles
    ]
