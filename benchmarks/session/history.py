"""What a run has measured so far: just what its schedule needs, kept in memory."""

from __future__ import annotations

from collections import deque
from statistics import median
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
READY = "ready"
"""Name of the part that holds a start that ended where the instance was ready to boot."""
REPEATED = "repeated"
"""Name of the part that holds further starts of a sandbox within a block."""

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
        self._repeated = {START, READY, REPEATED, *apart}
        self.done: set[tuple[int, str, str]] = set()
        self.elapsed_s = 0.0
        self.seconds: dict[tuple[str, str], deque[float]] = {}
        self._starts: dict[str, dict[int, float]] = {box.name: {} for box in info.sandboxes}
        self.repeated: dict[str, dict[int, list[float]]] = {box.name: {} for box in info.sandboxes}
        self.failures: dict[str, int] = dict.fromkeys(self._starts, 0)
        if previous is not None:
            by_visit: dict[tuple[int, str, bool], list[Sample]] = {}
            for sample in previous.samples:
                again = metrics.REPETITION in sample.dimensions
                by_visit.setdefault((sample.block, sample.sandbox, again), []).append(sample)
            for entry in previous.visits:
                key = (entry.block, entry.sandbox, entry.part == REPEATED)
                self.add(entry, by_visit.get(key, []))

    def add(self, entry: Visit, samples: Sequence[Sample]) -> None:
        """Take a closed visit into account."""
        self.done.add((entry.block, entry.sandbox, entry.part))
        self.elapsed_s += entry.seconds
        if entry.part in self._repeated:
            place = (entry.sandbox, entry.part)
            self.seconds.setdefault(place, deque(maxlen=_REMEMBERED)).append(entry.seconds)
        if entry.part not in {START, READY, REPEATED}:
            return
        passed = metrics.READY if entry.part == READY else metrics.MAIN
        headline = [
            s for s in samples if (s.workload, s.metric) == (passed.workload, passed.metric)
        ]
        taken = [s.value for s in headline if s.value is not None]
        if entry.part == REPEATED:
            again = [
                s.value
                for s in headline
                if s.value is not None and s.dimensions[metrics.REPETITION] != metrics.WARM_UP
            ]
            if again:
                self.repeated[entry.sandbox][entry.block] = again
                self._starts[entry.sandbox][entry.block] = median(again)
        elif any(sample.status is not Status.OK for sample in headline):
            self.failures[entry.sandbox] += 1
        else:
            self.failures[entry.sandbox] = 0
            if taken and entry.part == START:
                self._starts[entry.sandbox].setdefault(entry.block, taken[-1])

    def parts(self, block: int) -> set[str]:
        """Return the parts of starts that a block has."""
        return {
            part
            for part in (START, READY, REPEATED)
            for name in self._starts
            if (block, name, part) in self.done
        }

    def starts(self, sandbox: str) -> list[float]:
        """Return a sandbox's starts, one value a block, in seconds."""
        return list(self._starts[sandbox].values())

    def repetition_seconds(self, sandbox: str) -> float:
        """Return what one further start takes, in the median; 0 before any."""
        spent = self.seconds.get((sandbox, REPEATED))
        last = list(self.repeated[sandbox].values())[-_REMEMBERED:]
        return median(spent) / median(map(len, last)) if spent and last else 0.0

    def given_up(self, sandbox: str) -> bool:
        """Tell whether a sandbox has failed so often that it is left alone."""
        return self.failures[sandbox] >= _GIVE_UP_AFTER

    def block_seconds(
        self,
        parts: Collection[str] | None = None,
        left_out: Collection[tuple[str, str]] = (),
    ) -> float:
        """Estimate the wall time of one block from the median of each sandbox's parts.

        Args:
            parts: The parts that it has; None for all.
            left_out: Sandboxes and parts of them that it does not have.
        """
        return sum(
            sorted(seconds)[len(seconds) // 2]
            for (name, part), seconds in self.seconds.items()
            if not self.given_up(name)
            and (parts is None or part in parts)
            and (name, part) not in left_out
        )
