"""A sweep of every readable file under /proc and /sys: what of it is the host's own.

``collect`` reads and tries; ``judge`` decides afterwards, so that a guest's sweep can serve as
the unrelated kernel for the others.
"""

from benchmarks.experiments.sweep.collect import Run, collect
from benchmarks.experiments.sweep.experiment import READINGS, VERDICTS, Swept
from benchmarks.experiments.sweep.listing import LEFT_OUT, readable_files
from benchmarks.experiments.sweep.model import FileFinding, Sweep, Trait, UnreadableSweepError
from benchmarks.experiments.sweep.rules import judge

__all__ = [
    "LEFT_OUT",
    "READINGS",
    "VERDICTS",
    "FileFinding",
    "Run",
    "Sweep",
    "Swept",
    "Trait",
    "UnreadableSweepError",
    "collect",
    "judge",
    "readable_files",
]
