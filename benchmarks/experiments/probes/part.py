"""The probes and controls as a part of a campaign.

A constant that is the same on the host and in a sandbox leaks nothing unless an unrelated kernel
reads something else, so the guest's reading is needed before a container's can be judged. What was
read is kept in the run folder's logs: a killed run goes on from there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from benchmarks.errors import MeasurementError, RunFolderError
from benchmarks.experiments.parts import sample
from benchmarks.experiments.probes import engine
from benchmarks.experiments.probes.model import Examination, Reading
from benchmarks.results import metrics, runfolder
from benchmarks.results.records import Direction, MetricInfo, Unit
from benchmarks.sandboxes import find

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from pathlib import Path

    from benchmarks.results.records import RunInfo, Sample
    from benchmarks.sandboxes.base import Instance

WORKLOADS = (metrics.LEAKS, metrics.CONTROLS)
_TIMEOUT_S = 60.0


class ProbePart:
    """Reads the probes in each sandbox, and turns the readings into samples."""

    name = "probes"

    def __init__(self, workloads: Collection[str], logs: Path) -> None:
        """Read nothing yet; ``logs`` is the run folder's."""
        self._asked = [workload for workload in WORKLOADS if workload in workloads]
        self._logs = logs

    def read(self, sandbox: str, instance: Instance) -> None:
        """Read host, sandbox, host; an error is kept in place of the sandbox's reading."""

        def run(args: list[str]) -> bytes:
            try:
                return instance.run(args, timeout_s=_TIMEOUT_S).stdout
            except MeasurementError as error:
                raise engine.UnreadableAgentError(f"the agent could not be run: {error}") from error

        examined = msgspec.json.encode(engine.examine(run))
        runfolder.write_atomically(self._path(sandbox), examined)

    def samples(self, info: RunInfo, sandbox: str, names: Sequence[str]) -> list[Sample]:
        """Judge what was read; one sample a probe and control, a failed one where it erred."""
        kept = self._kept(sandbox) or _unread("the sandbox did not start")
        guests = [name for name in names if find(name).isolation == "machine" and name != sandbox]
        third = next((guest.sandbox for name in guests if (guest := self._kept(name))), None)
        samples = []
        if metrics.LEAKS in self._asked:
            samples += [
                _word(
                    info,
                    sandbox,
                    metrics.LEAKS,
                    leak.probe,
                    leak.verdict,
                    leak.evidence,
                    leak.error,
                )
                for leak in engine.judge(kept, third)
            ]
        if metrics.CONTROLS in self._asked:
            samples += [
                _word(info, sandbox, metrics.CONTROLS, t.control, t.outcome, t.evidence, t.error)
                for t in engine.judge_controls(kept)
            ]
        return samples

    def _path(self, sandbox: str) -> Path:
        return self._logs / f"probes-{sandbox.replace(':', '.')}.json"

    def _kept(self, sandbox: str) -> Examination | None:
        path = self._path(sandbox)
        try:
            return msgspec.json.decode(path.read_bytes(), type=Examination)
        except FileNotFoundError:
            return None
        except msgspec.DecodeError as error:
            raise RunFolderError(
                f"{path} is damaged ({error}); start a new run, or restore the file from a copy",
            ) from error


def metric_infos() -> list[MetricInfo]:
    """Return what a run says of the probes and controls."""
    return [
        MetricInfo(
            workload=workload,
            metric=identifier,
            unit=Unit.WORD,
            direction=Direction.NEITHER,
            title=title,
        )
        for workload, identifier, title in engine.titles()
    ]


def _word(  # noqa: PLR0917  # one row of a table
    info: RunInfo,
    sandbox: str,
    workload: str,
    metric: str,
    word: str | None,
    evidence: str,
    error: str | None,
) -> Sample:
    text = None if word is None else str(word)
    return sample(
        info, sandbox, workload, metric, unit=Unit.WORD, text=text, detail=evidence, error=error
    )


def _unread(why: str) -> Examination:
    """Return an examination under which every probe is an error, and none safe."""
    nothing = Reading(format=1, values={})
    return Examination(before=nothing, sandbox=None, after=nothing, error=why)
