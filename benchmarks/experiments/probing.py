"""Everything a campaign looks at once: probes and controls, the sweep, the attack surface.

Verdicts are made when every sandbox has been looked at, because some need the guest's reading.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks import workloads
from benchmarks.experiments import min_memory
from benchmarks.experiments.covert_channels import part as channels_part
from benchmarks.experiments.interference import part as interference_part
from benchmarks.experiments.probes import part as probes_part
from benchmarks.experiments.surface import part as surface_part
from benchmarks.experiments.sweep import part as sweep_part
from benchmarks.results import metrics

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from benchmarks.campaign.config import Campaign
    from benchmarks.experiments.parts import JointAct, Part
    from benchmarks.results.records import MetricInfo, RunInfo, Sample
    from benchmarks.sandboxes.base import Instance, Sandbox
    from benchmarks.session.recorder import LastAct


class Probing:
    """The parts that a campaign asks for."""

    def __init__(self, asked: Sequence[str], logs: Path) -> None:
        """Look at nothing yet; ``asked`` are workloads, ``logs`` is the run folder's."""
        self._asked, self._logs = asked, logs
        self._workloads = workloads.load_all([one for one in asked if one not in metrics.BUILT_IN])
        self._parts: list[Part] = []
        if not {*probes_part.WORKLOADS}.isdisjoint(asked):
            self._parts.append(probes_part.ProbePart(asked, logs))
        if metrics.SWEEP in asked:
            self._parts.append(sweep_part.SweepPart(logs))
        if metrics.SURFACE in asked:
            self._parts.append(surface_part.SurfacePart(logs))

    def reader(self, sandbox: str) -> LastAct | None:
        """Return what looks at a running instance, or None if nothing is asked for."""
        if not self._parts:
            return None  # joint acts start instances of their own

        def read(instance: Instance) -> None:
            for part in self._parts:
                part.read(sandbox, instance)

        return read

    def samples(
        self, info: RunInfo, sandbox: str, names: Sequence[str]
    ) -> Iterator[tuple[str, list[Sample]]]:
        """Judge what was seen in one sandbox, part by part.

        Args:
            info: The run.
            sandbox: The sandbox to judge.
            names: All sandboxes of the run, for the guest's reading.
        """
        for part in self._parts:
            yield part.name, part.samples(info, sandbox, names)

    def together(self, info: RunInfo, sandboxes: Mapping[str, Sandbox]) -> Iterator[JointAct]:
        """Return what is tried with instances of its own, several at once."""
        if metrics.SMALLEST in self._asked:
            alone = [workload for workload in self._workloads if workload.server is None]
            yield from min_memory.acts(info, sandboxes, alone)
        if metrics.CHANNELS in self._asked:
            yield from channels_part.acts(info, self._logs, sandboxes)
        if metrics.INTERFERENCE in self._asked:
            yield from interference_part.acts(info, self._logs, sandboxes)


def metric_infos(campaign: Campaign) -> list[MetricInfo]:
    """Return the metrics of the parts that a campaign asks for."""
    every = (
        *probes_part.metric_infos(),
        *sweep_part.metric_infos(),
        *surface_part.metric_infos(),
        *channels_part.metric_infos(),
        *interference_part.metric_infos(),
        *min_memory.metric_infos(),
    )
    return [info for info in every if info.workload in campaign.workloads]
