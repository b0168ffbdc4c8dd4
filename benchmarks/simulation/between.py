"""Print how much runs of one campaign on one host differ: the variance between runs, measured.

``python -m benchmarks.simulation.between RUN RUN...``

Runs over hours, made by ``scripts/between-runs``. For each headline: the spread of values within a
run, that of the runs' medians, and what of the latter is left when the former's share is taken off
(one-way analysis of variance on logarithms, Searle, Casella and McCulloch, Variance Components,
3.1). What is left is what no number of blocks in one run averages out.
"""

import argparse
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean, median, variance
from typing import NamedTuple

from benchmarks.errors import BenchmarkError
from benchmarks.results import metrics, runfolder
from benchmarks.simulation.tables import table

_METRICS = ("startup_main_s", "throughput_per_s", "pss_bytes")
_FEWEST = 2
_OVER_SD = 1.2533
"""Standard deviation of a median over that of a mean, for normal values: sqrt(pi / 2)."""


class Between(NamedTuple):
    """How much runs differ in one figure.

    Attributes:
        figure: Sandbox and metric.
        runs: Runs that have it.
        within: Standard deviation of blocks within a run, on the logarithm.
        medians: Standard deviation of the runs' medians.
        between: What of that is not chance within runs.
        most: Largest ratio of two runs' medians.
    """

    figure: str
    runs: int
    within: float
    medians: float
    between: float
    most: float


def between(runs: Sequence[runfolder.Run]) -> list[Between]:
    """Measure every headline that at least two runs have."""
    found: dict[str, list[list[float]]] = {}
    for run in runs:
        for figure, values in _figures(run).items():
            found.setdefault(figure, []).append(values)
    return [
        _between(figure, sides)
        for figure, sides in found.items()
        if len(sides) >= _FEWEST and all(len(values) >= _FEWEST for values in sides)
    ]


def _figures(run: runfolder.Run) -> dict[str, list[float]]:
    """Return the logarithms of each figure by block, by themselves and over native's."""
    blocks: dict[tuple[str, str, str], dict[int, list[float]]] = {}
    for one in run.samples:
        if one.metric in _METRICS and one.value is not None and one.value > 0:
            key = (one.sandbox, one.workload, one.metric)
            blocks.setdefault(key, {}).setdefault(one.block, []).append(math.log(one.value))
    levels = {
        key: {block: median(values) for block, values in found.items()}
        for key, found in blocks.items()
    }
    figures = {}
    for (sandbox, workload, metric), found in levels.items():
        what = "start" if workload == metrics.STARTUP else workload
        figures[f"{sandbox}: {what}"] = list(found.values())
        native = levels.get(("native", workload, metric), {})
        if sandbox != "native" and metric != "pss_bytes":
            both = [value - native[block] for block, value in found.items() if block in native]
            figures[f"{sandbox} / native: {what}"] = both
    return figures


def _between(figure: str, sides: list[list[float]]) -> Between:
    medians = [median(values) for values in sides]
    within = fmean(variance(values) for values in sides)
    of_medians = variance(medians)
    blocks = fmean(1 / len(values) for values in sides)
    left = of_medians - _OVER_SD**2 * within * blocks
    return Between(
        figure=figure,
        runs=len(sides),
        within=math.sqrt(within),
        medians=math.sqrt(of_medians),
        between=math.sqrt(max(left, 0.0)),
        most=math.exp(max(medians) - min(medians)),
    )


def main() -> int:
    """Print the table of the runs named."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.simulation.between")
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN")
    options = parser.parse_args()
    try:
        found = between([runfolder.load(path) for path in options.runs])
    except BenchmarkError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    head = ["figure", "runs", "within a run", "medians of runs", "between runs", "largest / least"]
    body = [
        [
            one.figure,
            str(one.runs),
            *(f"{100 * spread:.1f} %" for spread in (one.within, one.medians, one.between)),
            f"{one.most:.2f}",
        ]
        for one in found
    ]
    sys.stdout.write(f"{table(head, body)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
