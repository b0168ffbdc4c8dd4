"""Probes and controls: a matrix of words, and the count of each by the weight of what leaks."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import click

from benchmarks.experiments import probes
from benchmarks.results import metrics
from benchmarks.results.records import Status
from tare.leaks import grid

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.results.records import Sample
    from benchmarks.results.runfolder import Run

WORKLOADS = (metrics.LEAKS, metrics.CONTROLS)


def show(run: Run) -> None:
    """Print every probe and control, and the score: counts by verdict, leaks by weight."""
    samples = [sample for sample in run.samples if sample.workload in WORKLOADS]
    if not samples:
        return
    names = [box.name for box in run.info.sandboxes]
    grid.show("probe", names, _matrix(samples, names))
    click.echo()
    grid.show("score", names, _score(samples, names), right=True)


def word(sample: Sample) -> str:
    """Return what came of a probe or control; one that broke is an error, and never safe."""
    return sample.text or "" if sample.status is Status.OK else "error"


def _matrix(samples: Sequence[Sample], names: Sequence[str]) -> list[grid.Row]:
    words: dict[tuple[str, str], dict[str, str]] = {}
    for sample in samples:
        words.setdefault((sample.workload, sample.metric), {})[sample.sandbox] = word(sample)
    rows: list[grid.Row] = []
    last = ""
    for (workload, probe), said in words.items():
        if workload != last:
            rows.append(grid.Row(workload))
            last = workload
        rows.append(grid.Row(probe, tuple(said.get(name, "") for name in names)))
    return rows


def _score(samples: Sequence[Sample], names: Sequence[str]) -> list[grid.Row]:
    """Count; no weights are added up, since nobody knows how many constants make a power."""
    weight = {probe.id: probe.kind for probe in probes.PROBES}
    counts = Counter((s.workload, word(s), s.sandbox) for s in samples)
    leaks = Counter(
        (weight[s.metric], s.sandbox)
        for s in samples
        if s.workload == metrics.LEAKS and word(s) == probes.Verdict.SHARED_LIVE
    )
    rows = []
    for workload, every in ((metrics.LEAKS, probes.Verdict), (metrics.CONTROLS, probes.Outcome)):
        if not any(s.workload == workload for s in samples):
            continue
        rows.append(grid.Row(workload))
        for said in (*every, "error"):
            cells = tuple(str(counts[workload, str(said), name]) for name in names)
            if set(cells) != {"0"} or said == "error":
                rows.append(grid.Row(str(said), cells))
        if workload == metrics.LEAKS:
            rows.append(grid.Row("shared-live by weight"))
            rows += [
                grid.Row(str(kind), tuple(str(leaks[kind, name]) for name in names))
                for kind in reversed(probes.Kind)
            ]
    return rows


def explain(run: Run, probe: str) -> None:
    """Print what a probe does and what it found in each sandbox."""
    about = {known.id: known.about for known in probes.PROBES}
    about |= {known.id: known.why for known in probes.controls()}
    grid.say(about[probe])
    for sample in run.samples:
        if sample.metric == probe and sample.workload in WORKLOADS:
            click.echo(f"{sample.sandbox}: {word(sample)}")
            grid.say(sample.detail or "", "  ")
