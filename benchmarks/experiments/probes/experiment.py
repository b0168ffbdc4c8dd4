"""The probes and controls, in every sandbox of a campaign.

A constant that is the same on the host and in a sandbox leaks nothing unless an unrelated kernel
reads something else, so the guest's reading is needed before a container's can be judged.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.errors import MeasurementError
from benchmarks.experiments.base import Cadence, Context, Experiment, guests
from benchmarks.experiments.probes import engine
from benchmarks.experiments.probes.engine import INTERPRETER
from benchmarks.experiments.probes.model import Examination, Reading
from benchmarks.results import metrics
from benchmarks.results.evidence import Evidence
from benchmarks.results.records import Direction, Status, Unit

if TYPE_CHECKING:
    from benchmarks.results.records import MetricInfo

READINGS = Evidence("probes", Examination)
_TIMEOUT_S = 60.0


class Probes(Experiment):
    """What a sandbox sees of its host, and may do to it."""

    name = "probes"
    title = "leak probes and escape-prevention controls"
    cadence = Cadence.ONCE
    workloads = (metrics.LEAKS, metrics.CONTROLS)
    place = 70
    programs = (INTERPRETER,)

    @classmethod
    def catalogue(cls) -> tuple[MetricInfo, ...]:
        return tuple(
            info
            for workload, identifier, title in engine.titles()
            for info in metrics.infos(workload, (identifier, Unit.WORD, Direction.NEITHER, title))
        )

    def run(self, context: Context) -> None:
        """Read host, sandbox, host; an error is kept in place of the sandbox's reading."""

        def run(args: list[str]) -> bytes:
            try:
                return context.instance.run(args, timeout_s=_TIMEOUT_S).stdout
            except MeasurementError as error:
                raise engine.UnreadableAgentError(f"the agent could not be run: {error}") from error

        READINGS.write(context.logs, engine.examine(run), context.name)

    def judge(self, context: Context) -> None:
        """Judge what was read; one sample a probe and control, a failed one where it erred."""
        kept = READINGS.read(context.logs, context.name)
        kept = kept or _unread("the sandbox did not start")
        third = next((one.sandbox for one in guests(context, READINGS)), None)
        rows: list[tuple[str, str, str | None, str, str | None]] = []
        if metrics.LEAKS in self.asked:
            rows += [
                (metrics.LEAKS, leak.probe, leak.verdict, leak.evidence, leak.error)
                for leak in engine.judge(kept, third)
            ]
        if metrics.CONTROLS in self.asked:
            rows += [
                (metrics.CONTROLS, tried.control, tried.outcome, tried.evidence, tried.error)
                for tried in engine.judge_controls(kept)
            ]
        for workload, metric, word, evidence, error in rows:
            context.record.add(
                workload,
                metric,
                Unit.WORD,
                None if word is None or error is not None else str(word),
                status=Status.OK if error is None else Status.FAILED,
                detail=error or evidence,
            )


def _unread(why: str) -> Examination:
    """Return an examination under which every probe is an error, and none safe."""
    nothing = Reading(format=1, values={})
    return Examination(before=nothing, sandbox=None, after=nothing, error=why)
