"""Noise observed in a run folder, and the number of blocks that its budget allows."""

from pathlib import Path
from statistics import median
from typing import NamedTuple

import numpy as np

from benchmarks.errors import RunFolderError
from benchmarks.results import metrics, runfolder
from benchmarks.results.records import Sample
from benchmarks.session.history import START
from benchmarks.simulation.noise import Noise, from_blocks

_METRICS = ("startup_main_s", "throughput_per_s", "host_cpu_s_per_event", "pss_bytes")
_PAIR = ("container", "native")
_FEWEST_BLOCKS = 6


class Observed(NamedTuple):
    """Noise to simulate a host with.

    Attributes:
        noises: One for each metric, of container against native; starts come first.
        blocks: Blocks that the campaign's budget allows.
        judged: Metrics that a comparison of two such runs judges.
    """

    noises: list[Noise]
    blocks: int
    judged: int


def observe(path: Path) -> Observed:
    """Read a run of at least six blocks with ``container`` and ``native``.

    Raises:
        RunFolderError: It is not a run, or holds too little.
    """
    run = runfolder.load(path)
    taken: dict[tuple[str, str], dict[tuple[str, int, bool], list[float]]] = {}
    for sample in run.samples:
        if sample.metric in _METRICS and sample.value is not None and sample.value > 0:
            place = (sample.sandbox, sample.block, _repeats(sample))
            of_metric = taken.setdefault((sample.workload, sample.metric), {})
            of_metric.setdefault(place, []).append(sample.value)
    table = {key: _one_a_block(values) for key, values in taken.items()}
    noises = []
    for (workload, metric), values in sorted(table.items(), key=_starts_first):
        blocks = sorted({block for _, block in values})
        pairs = [
            [values[box, block] for box in _PAIR]
            for block in blocks
            if all((box, block) in values for box in _PAIR)
        ]
        if len(pairs) >= _FEWEST_BLOCKS:
            noises.append(from_blocks(f"{workload}: {metric}", np.array(pairs)))
    if not noises:
        raise RunFolderError(
            f"{path} tells no noise: it needs {_FEWEST_BLOCKS} blocks with {' and '.join(_PAIR)}",
        )
    return Observed(noises, _affordable(run), _judged(run))


def _repeats(sample: Sample) -> bool:
    return sample.dimensions.get(metrics.REPETITION, metrics.WARM_UP) != metrics.WARM_UP


def _one_a_block(
    taken: dict[tuple[str, int, bool], list[float]],
) -> dict[tuple[str, int], float]:
    """Return one value of each sandbox and block: the median of what was repeated, else the last.

    Args:
        taken: Values by sandbox, block, and whether they repeat a start.
    """
    repeated = {(box, block): median(v) for (box, block, again), v in taken.items() if again}
    single = {(box, block): v[-1] for (box, block, again), v in taken.items() if not again}
    return single | repeated


def _starts_first(item: tuple[tuple[str, str], object]) -> tuple[bool, str, str]:
    (workload, metric), _ = item
    return workload != metrics.STARTUP, workload, metric


def _affordable(run: runfolder.Run) -> int:
    """Return how many blocks of visits the budget allows at their median wall time."""
    seconds: dict[int, float] = {visit.block: 0.0 for visit in run.visits if visit.part == START}
    for visit in run.visits:
        if visit.block in seconds:
            seconds[visit.block] += visit.seconds
    campaign = run.info.campaign
    affordable = int(campaign["budget_s"] / float(np.median(list(seconds.values()))))
    return int(min(max(affordable, campaign["blocks_min"]), campaign["blocks_max"]))


def _judged(run: runfolder.Run) -> int:
    """Count the headlines a comparison judges: one of each sandbox and workload with numbers."""
    return len({(s.sandbox, s.workload) for s in run.samples if s.metric in _METRICS})
