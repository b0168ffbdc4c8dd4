"""Finds what of a campaign cannot be run, since its image lacks a program, before it starts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.experiments.probes.engine import INTERPRETER
from benchmarks.image import inside
from benchmarks.results import metrics
from benchmarks.results.records import Status
from benchmarks.session.recorder import Recorder

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from benchmarks.campaign.config import Campaign
    from benchmarks.results.records import RunInfo, Sample
    from benchmarks.session.recorder import Plan
    from benchmarks.workloads import Workload

_PYTHON = (
    metrics.LEAKS,
    metrics.CONTROLS,
    metrics.SWEEP,
    metrics.SURFACE,
    metrics.CHANNELS,
    metrics.INTERFERENCE,
)
"""What runs an agent inside."""


def lacking(campaign: Campaign, loaded: Iterable[Workload], root: Path | None) -> dict[str, str]:
    """Return the workloads that the image at ``root`` has no programs for, with the sentence."""
    if root is None:
        return {}
    wanted = {workload.name: _programs(workload) for workload in loaded}
    wanted |= {name: (INTERPRETER,) for name in _PYTHON if name in campaign.workloads}
    found = {}
    for name, programs in wanted.items():
        missing = [path for path in programs if inside.resolved(root, path) is None]
        if missing:
            named = ", ".join(path.rpartition("/")[2] for path in missing)
            found[name] = f"not here: the image has no {named}"
    return found


def absences(info: RunInfo, plan: Plan, sandbox: str, lacking: Mapping[str, str]) -> list[Sample]:
    """Say it of every metric of these workloads, in the first block alone."""
    if plan.block:
        return []
    record = Recorder(plan, sandbox)
    for metric in info.metrics:
        if metric.workload in lacking:
            record.nothing([metric], Status.UNSUPPORTED, lacking[metric.workload])
    return record.samples


def _programs(workload: Workload) -> Sequence[str]:
    others = (workload.server, workload.neighbour)
    commands = (workload.command, *(one.command for one in others if one is not None))
    named = (*(command[0] for command in commands), *workload.needs)
    return [*dict.fromkeys(path for path in named if path.startswith("/"))]
