"""What each sandbox gets of a block's time: a whole visit, a part of one, further starts.

Time goes where it decides something. Starts that are cheap are repeated as often as cost and
variance make worthwhile, in every block of visits and in a block of their own behind it. A guest
whose CPU is emulated ranks against nothing by its speed: what it measures of that is measured once,
it is booted until what counts has values enough for an interval, and from then on its visit ends
where it is ready to boot, which counts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.experiments.base import Cadence
from benchmarks.sandboxes import find
from benchmarks.sandboxes.base import Partial
from benchmarks.session import repetitions
from benchmarks.session.history import READY, REPEATED, START
from benchmarks.stats.estimators import fewest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from benchmarks.experiments.base import Experiment
    from benchmarks.sandboxes.base import Sandbox
    from benchmarks.session.history import History


class Allocation:
    """Decides by what a run has measured so far, so that a resumed run decides alike."""

    def __init__(
        self, opened: Mapping[str, Sandbox], experiments: Sequence[Experiment], history: History
    ) -> None:
        """Take what there is to be measured, and where."""
        self._opened = opened
        self._history = history
        self._visited = [one for one in experiments if one.cadence is Cadence.VISIT]
        self._repeated = {name: self._repeated_on(name) for name in opened}

    @property
    def repeats(self) -> bool:
        """Whether any start is cheap enough to be repeated."""
        return any(self._repeated.values())

    def ranked(self) -> list[str]:
        """Return the sandboxes that still start and whose whole start ranks; all, if none does."""
        alive = [name for name in self._opened if not self._history.given_up(name)]
        return [name for name in alive if not self._emulated(name)] or alive

    def part(self, name: str) -> str:
        """Return which part of the journal the next visit of a sandbox is."""
        known = len(self._history.starts(name)) >= fewest()
        able = isinstance(self._opened[name], Partial) and any(one.partial for one in self._visited)
        return READY if known and able and self._spared(name) else START

    def experiments(self, name: str) -> list[Experiment]:
        """Return what the next visit of a sandbox does."""
        if self.part(name) == READY:
            return [one for one in self._visited if one.partial]
        first = not self._history.starts(name)
        return [one for one in self._visited if first or one.emulated or not self._spared(name)]

    def repeated(self, name: str) -> list[Experiment]:
        """Return what is done on further starts of a sandbox."""
        return list(self._repeated[name])

    def times(self, name: str) -> int:
        """Return how often a sandbox is started again in the next block."""
        most = max(self._repeated[name].values(), default=0)
        return most and repetitions.number(
            most,
            list(self._history.repeated[name].values()),
            one_s=self._history.repetition_seconds(name),
            block_s=self.seconds() - self.seconds(alone=True),
        )

    def seconds(self, *, alone: bool = False) -> float:
        """Estimate the wall time of the next block.

        Args:
            alone: Whether it is one of further starts alone.
        """
        if alone:
            return self._history.block_seconds({REPEATED})
        left_out = {(name, START if self.part(name) == READY else READY) for name in self._opened}
        return self._history.block_seconds(left_out=left_out)

    def _emulated(self, name: str) -> bool:
        return not self._opened[name].info.admissible_cpu

    def _spared(self, name: str) -> bool:
        """Whether a sandbox's speed ranks against nothing, while that of others does."""
        return self._emulated(name) and not all(map(self._emulated, self._opened))

    def _repeated_on(self, name: str) -> dict[Experiment, int]:
        start_s = find(name).estimate_s(name)
        found = {one: one.repetitions(start_s) for one in self._visited}
        return {one: most for one, most in found.items() if most}
