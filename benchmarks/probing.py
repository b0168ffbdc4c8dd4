"""Runs the probes in the first visit of every sandbox, and judges them once all were read.

A constant that is the same on the host and in a sandbox leaks nothing unless an unrelated kernel
reads something else, so the guest's reading is needed before a container's can be judged. What was
read is kept in the run folder's logs: a killed run goes on from there.
"""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

from benchmarks import metrics, probes, runfolder
from benchmarks.errors import MeasurementError
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
        kept = self._kept(sandbox)
        if not self._asked or kept is None:
            return []
        if "error" in kept:
            return [self._sample(info, sandbox, work, error=kept["error"]) for work in self._asked]
        guests = [name for name in names if name.partition(":")[0] == "vm" and name != sandbox]
        third = next((found for name in guests if (found := self._kept(name))), None)
        findings = probes.judge(
            host_before=kept["before"],
            sandbox=kept["sandbox"],
            host_after=kept["after"],
            third=third.get("sandbox") if third else None,
            kind=sandbox.partition(":")[0],
        )
        return [
            self._sample(
                info,
                sandbox,
                finding.workload,
                metric=finding.probe,
                word=finding.verdict,
                detail=finding.evidence,
                error=finding.error,
            )
            for finding in findings
            if finding.workload in self._asked
        ]

    def _sample(
        self,
        info: RunInfo,
        sandbox: str,
        workload: str,
        *,
        metric: str = "agent",
        word: str | None = None,
        detail: str | None = None,
        error: str | None = None,
    ) -> Sample:
        return Sample(
            run=info.run,
            block=0,
            sandbox=sandbox,
            workload=workload,
            metric=metric,
            unit=Unit.WORD,
            status=Status.OK if error is None else Status.FAILED,
            started_at=time.time(),
            text=word if error is None else None,
            detail=error or detail,
        )

    def _path(self, sandbox: str) -> Path:
        return self._logs / f"probes-{sandbox.replace(':', '.')}.json"

    def _keep(self, sandbox: str, readings: dict[str, Any]) -> None:
        runfolder.write_atomically(self._path(sandbox), json.dumps(readings).encode())

    def _kept(self, sandbox: str) -> dict[str, Any] | None:
        try:
            kept: dict[str, Any] = json.loads(self._path(sandbox).read_bytes())
        except FileNotFoundError:
            return None
        return kept


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


def _read(instance: Instance) -> dict[str, Any]:
    """Read host, sandbox, host; an error is kept in place of the readings."""
    try:
        with probes.stimulus():
            before = probes.read_host()
            script, args = probes.script(), probes.arguments()
            done = instance.run(args, timeout_s=_TIMEOUT_S, stdin=script)
            after = probes.read_host()
        return {"before": before, "sandbox": probes.parse(done.stdout), "after": after}
    except (MeasurementError, ValueError) as error:
        return {"error": f"the probes could not be read: {error}"}
