"""What a run has measured so far: just what its schedule needs, kept in memory."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from benchmarks.results import metrics
from benchmarks.results.records import Sample, Status

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from benchmarks.results import runfolder
    from benchmarks.results.journal import Visit
    from benchmarks.results.records import RunInfo

START = "start"
"""Name of the journal's part that holds a start and what was run on it."""

_REMEMBERED = 99
"""Visits that the estimate of the next block rests on: the last ones, so that it stays cheap."""
_GIVE_UP_AFTER = 2
"""Visits that may fail to start one after the other before a sandbox is left alone."""


class History:
    """Visits done, their cost, the starts they measured and the failures in a row."""

    def __init__(
        self, info: RunInfo, previous: runfolder.Run | None, apart: Collection[str]
    ) -> None:
        """Begin with what a run that is resumed has measured.

        Args:
            info: The run.
            previous: What was read of it; None for a new one.
            apart: Parts that every block has beside the visits; others are done once.
        """
        self._repeated = {START, *apart}
        self.done: set[tuple[int, str, str]] = set()
        self.elapsed_s = 0.0
        self.seconds: dict[tuple[str, str], deque[float]] = {}
        self.starts: dict[str, list[float]] = {box.name: [] for box in info.sandboxes}
        self.failures: dict[str, int] = dict.fromkeys(self.starts, 0)
        if previous is not None:
            by_visit: dict[tuple[int, str], list[Sample]] = {}
            for sample in previous.samples:
                by_visit.setdefault((sample.block, sample.sandbox), []).append(sample)
            for entry in previous.visits:
                self.add(entry, by_visit.get((entry.block, entry.sandbox), []))

    def add(self, entry: Visit, samples: Sequence[Sample]) -> None:
        """Take a closed visit into account."""
        self.done.add((entry.block, entry.sandbox, entry.part))
        self.elapsed_s += entry.seconds
        if entry.part in self._repeated:
            place = (entry.sandbox, entry.part)
            self.seconds.setdefault(place, deque(maxlen=_REMEMBERED)).append(entry.seconds)
        if entry.part != START:
            return
        main = (metrics.MAIN.workload, metrics.MAIN.metric)
        headline = [s for s in samples if (s.workload, s.metric) == main]
        if any(sample.status is not Status.OK for sample in headline):
            self.failures[entry.sandbox] += 1
        else:
            self.failures[entry.sandbox] = 0
            self.starts[entry.sandbox] += [s.value for s in headline if s.value is not None]

    def given_up(self, sandbox: str) -> bool:
        """Tell whether a sandbox has failed so often that it is left alone."""
        return self.failures[sandbox] >= _GIVE_UP_AFTER

    def block_seconds(self) -> float:
        """Estimate the wall time of one block from the median of each sandbox's parts."""
        return sum(
            sorted(seconds)[len(seconds) // 2]
            for (name, _), seconds in self.seconds.items()
            if not self.given_up(name)
        )
