"""Runs the probes in the first visit of every sandbox, and judges them once all were read.

A constant that is the same on the host and in a sandbox leaks nothing unless an unrelated kernel
reads something else, so the guest's reading is needed before a container's can be judged. What was
read is kept in the run folder's logs: a killed run goes on from there.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import msgspec

from benchmarks import metrics, probes, runfolder
from benchmarks.errors import MeasurementError, RunFolderError
from benchmarks.records import Direction, MetricInfo, Sample, Status, Unit

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from benchmarks.campaign import Campaign
    from benchmarks.records import RunInfo
    from benchmarks.sandboxes.base import Instance
    from benchmarks.visit import LastAct

PART = "probes"
"""Name of the journal's part that holds verdicts."""

_TIMEOUT_S = 60.0


class Probing:
    """Reads the probes in each sandbox, and turns the readings into samples."""

    def __init__(self, campaign: Campaign, logs: Path) -> None:
        """Read nothing yet; ``logs`` is the run folder's."""
        asked = (metrics.LEAKS, metrics.CONTROLS)
        self._asked = [workload for workload in asked if workload in campaign.workloads]
        self._logs = logs

    def reader(self, sandbox: str) -> LastAct | None:
        """Return what reads the probes on a running instance, or None if none are asked for."""
        if not self._asked:
            return None

        def read(instance: Instance) -> None:
            self._keep(sandbox, _read(instance))

        return read

    def samples(self, info: RunInfo, sandbox: str, names: Sequence[str]) -> list[Sample]:
        """Judge what was read in one sandbox.

        Args:
            info: The run.
            sandbox: The sandbox to judge.
            names: All sandboxes of the run, for the guest's reading.

        Returns:
            One sample a probe and control; an erring probe is a failed sample.
        """
        if not self._asked:
            return []
        kept = self._kept(sandbox) or _unread("the sandbox did not start")
        guests = [name for name in names if name.partition(":")[0] == "vm" and name != sandbox]
        third = next((guest.sandbox for name in guests if (guest := self._kept(name))), None)
        samples = []
        if metrics.LEAKS in self._asked:
            samples += [
                self._sample(info, sandbox, metrics.LEAKS, leak.probe, leak.verdict, leak)
                for leak in probes.judge(kept, third)
            ]
        if metrics.CONTROLS in self._asked:
            samples += [
                self._sample(info, sandbox, metrics.CONTROLS, tried.control, tried.outcome, tried)
                for tried in probes.judge_controls(kept)
            ]
        return samples

    def _sample(  # noqa: PLR0917  # one row of a table
        self,
        info: RunInfo,
        sandbox: str,
        workload: str,
        metric: str,
        word: str | None,
        found: probes.Finding | probes.ControlFinding,
    ) -> Sample:
        return Sample(
            run=info.run,
            block=0,
            sandbox=sandbox,
            workload=workload,
            metric=metric,
            unit=Unit.WORD,
            status=Status.OK if found.error is None else Status.FAILED,
            started_at=time.time(),
            text=None if word is None else str(word),
            detail=found.error or found.evidence,
        )

    def _path(self, sandbox: str) -> Path:
        return self._logs / f"probes-{sandbox.replace(':', '.')}.json"

    def _keep(self, sandbox: str, examination: probes.Examination) -> None:
        runfolder.write_atomically(self._path(sandbox), msgspec.json.encode(examination))

    def _kept(self, sandbox: str) -> probes.Examination | None:
        path = self._path(sandbox)
        try:
            return msgspec.json.decode(path.read_bytes(), type=probes.Examination)
        except FileNotFoundError:
            return None
        except msgspec.DecodeError as error:
            raise RunFolderError(
                f"{path} is damaged ({error}); start a new run, or restore the file from a copy",
            ) from error


def metric_infos(campaign: Campaign) -> list[MetricInfo]:
    """Return the metrics of the probes that a campaign asks for."""
    return [
        MetricInfo(
            workload=workload,
            metric=identifier,
            unit=Unit.WORD,
            direction=Direction.NEITHER,
            title=title,
        )
        for workload, identifier, title in probes.titles()
        if workload in campaign.workloads
    ]


def _read(instance: Instance) -> probes.Examination:
    """Read host, sandbox, host; an error is kept in place of the sandbox's reading."""

    def run(args: list[str]) -> bytes:
        try:
            return instance.run(args, timeout_s=_TIMEOUT_S).stdout
        except MeasurementError as error:
            raise probes.UnreadableAgentError(f"the agent could not be run: {error}") from error

    return probes.examine(run)


def _unread(why: str) -> probes.Examination:
    """Return an examination under which every probe is an error, and none safe."""
    nothing = probes.Reading(format=1, values={})
    return probes.Examination(before=nothing, sandbox=None, after=nothing, error=why)
