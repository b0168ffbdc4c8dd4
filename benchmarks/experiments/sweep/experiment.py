"""The sweep, in every sandbox of a campaign: totals as samples, a verdict a file in the logs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.errors import MeasurementError
from benchmarks.experiments.base import Cadence, Context, Experiment, guests
from benchmarks.experiments.probes.engine import INTERPRETER
from benchmarks.experiments.sweep import totals
from benchmarks.experiments.sweep.collect import collect
from benchmarks.experiments.sweep.model import FileFinding, Sweep, UnreadableSweepError
from benchmarks.experiments.sweep.rules import judge
from benchmarks.results import metrics
from benchmarks.results.evidence import Evidence
from benchmarks.results.records import Direction, Status, Unit

if TYPE_CHECKING:
    from collections.abc import Iterable

    from benchmarks.results.metrics import Row

READINGS = Evidence("sweep", Sweep, ".json.gz")
VERDICTS = Evidence("sweep", list[FileFinding], ".jsonl")
_TIMEOUT_S = 60.0
_SECONDS = "sweep_s"


class Swept(Experiment):
    """What of every readable file under /proc and /sys is the host's own."""

    name = metrics.SWEEP
    title = "sweep of /proc and /sys"
    cadence = Cadence.ONCE
    place = 71
    programs = (INTERPRETER,)

    @classmethod
    def rows(cls) -> Iterable[Row]:
        for metric, title in totals.TITLES.items():
            yield metric, Unit.COUNT, Direction.NEITHER, title
        yield _SECONDS, Unit.SECONDS, Direction.NEITHER, "time the sweep took"

    def run(self, context: Context) -> None:
        """Sweep a running instance; an error is kept in place of its reading."""

        def run(args: list[str], stdin: bytes) -> bytes:
            try:
                return context.instance.run(args, timeout_s=_TIMEOUT_S, stdin=stdin).stdout
            except MeasurementError as error:
                why = f"the sweep's agent could not be run: {error}"
                raise UnreadableSweepError(why) from error

        READINGS.write(context.logs, collect(run), context.name)

    def judge(self, context: Context) -> None:
        """Judge what was read: a verdict a file into the logs, a count a verdict into samples."""
        swept = READINGS.read(context.logs, context.name)
        swept = swept or Sweep(error="the sandbox did not start")
        third = next(guests(context, READINGS), None)
        findings = judge(swept, third)
        VERDICTS.write(context.logs, findings, context.name)
        where = f"one line a file in logs/{VERDICTS.path(context.logs, context.name).name}"
        if third is None and not swept.own_kernel:
            where += "; no guest was swept, so no constant could be told from the host's own"
        found: dict[str, float | None] = {**totals.totals(findings, len(swept.unreadable))}
        found[_SECONDS] = swept.took_s
        for info in self.metrics():
            context.record.add(
                info.workload,
                info.metric,
                info.unit,
                None if swept.error is not None else found[info.metric],
                status=Status.OK if swept.error is None else Status.FAILED,
                detail=swept.error or (None if info.metric == _SECONDS else where),
            )
