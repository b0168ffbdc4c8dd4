"""Record what a comparison of two runs found, frozen."""

from enum import StrEnum
from typing import Self

import msgspec

from benchmarks.results.records import Direction, Unit
from reports.model.records import Estimate


class Effect(StrEnum):
    """What became of one metric between two runs."""

    WORSE = "worse"
    BETTER = "better"
    EQUAL = "equal"
    INCONCLUSIVE = "inconclusive"
    CONTEXT = "not judged"


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One metric of one sandbox in both runs.

    Attributes:
        sandbox: Name of the sandbox.
        workload: Name of the workload.
        metric: Name of the metric.
        title: The metric in words.
        unit: Unit of both medians.
        direction: Which way is better.
        parameters: Dimensions that tell it from its neighbours.
        base: Median in the base run.
        new: Median in the new run.
        effect: What became of it.
        ratio: New over base, with its interval; None where one side has no value. Where
            ``by_native``, of the values over native's in the same block.
        raw: New over base of the values themselves, with its interval.
        by_native: Whether ``ratio`` is of values over native's.
        detectable: Smallest ratio above 1 that would have been called a change; None where nothing
            was tested.
        p: Two-sided p-value after Holm's correction; None where nothing was tested.
        reason: Why the effect is what it is.
    """

    sandbox: str
    workload: str
    metric: str
    title: str
    unit: Unit
    direction: Direction
    parameters: dict[str, str]
    base: Estimate
    new: Estimate
    effect: Effect
    ratio: Estimate | None = None
    raw: Estimate | None = None
    by_native: bool = False
    detectable: float | None = None
    p: float | None = None
    reason: str = ""

    def side(self, threshold: float) -> int:
        """Return 1 or -1 where estimate and interval agree on more or less, else 0.

        The estimate must be beyond the threshold, the interval only on its side of 1.
        """
        ratio = self.ratio
        if ratio is None or ratio.estimate is None or ratio.low is None or ratio.high is None:
            return 0
        if ratio.estimate > 1 + threshold and ratio.low > 1:
            return 1
        if ratio.estimate < 1 / (1 + threshold) and ratio.high < 1:
            return -1
        return 0


class WordChange(msgspec.Struct, frozen=True, kw_only=True):
    """A probe or control whose word differs between the runs."""

    sandbox: str
    workload: str
    metric: str
    title: str
    base: str
    new: str
    effect: Effect


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """Two runs, compared.

    Attributes:
        base: Identifier of the base run.
        new: Identifier of the new run.
        threshold: Smallest relative change that counts, as a fraction.
        comparable: Whether anything was judged.
        reason: Why nothing was judged, or the outcome in one line.
        changes: Every metric both runs have.
        words: Probes and controls whose word changed.
        lost: What the base run measured and the new run tried in vain, as sandbox and workload.
        notes: What else differs between the runs.
        blind: What could not have been found, in a sentence; empty where nothing.
        entirely_blind: Whether that is so of every headline.
    """

    base: str
    new: str
    threshold: float
    comparable: bool
    reason: str
    changes: tuple[Change, ...] = ()
    words: tuple[WordChange, ...] = ()
    lost: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()
    blind: str = ""
    entirely_blind: bool = False

    @classmethod
    def refused(cls, base: str, new: str, threshold: float, reason: str) -> Self:
        """Return a comparison that judges nothing."""
        return cls(base=base, new=new, threshold=threshold, comparable=False, reason=reason)

    @property
    def regressed(self) -> bool:
        """Whether anything is worse, or can no longer be measured."""
        return bool(self.regressions or self.lost) or any(
            one.effect is Effect.WORSE for one in self.words
        )

    @property
    def regressions(self) -> tuple[Change, ...]:
        """Metrics that are worse."""
        return self._with(Effect.WORSE)

    @property
    def inconclusive(self) -> tuple[Change, ...]:
        """Metrics that were judged without a result."""
        return self._with(Effect.INCONCLUSIVE)

    @property
    def undecided(self) -> bool:
        """Whether a headline was judged without a result, and nothing is worse."""
        return not self.regressed and bool(self.inconclusive)

    def _with(self, effect: Effect) -> tuple[Change, ...]:
        return tuple(change for change in self.changes if change.effect is effect)
