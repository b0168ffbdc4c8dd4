"""What a judgement looks at: one run, its sandboxes by kind, and contrasts between two of them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING, NamedTuple

from benchmarks.results.records import Status
from benchmarks.stats import estimators
from reports import units
from reports.claims import admissible, declared
from reports.frame import measured, paired, select
from reports.model import Estimate, Evidence

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pandas as pd

    from benchmarks.results.records import RunInfo, SandboxInfo, Unit
    from reports.model import WordRow


class Outcome(Enum):
    """How a ratio lies to its margin."""

    ABOVE = auto()
    BELOW = auto()
    WITHIN = auto()
    UNDECIDED = auto()
    UNUSABLE = auto()


class Side(NamedTuple):
    """One metric of one sandbox, called ``name`` in sentences."""

    sandbox: SandboxInfo
    workload: str
    metric: str
    unit: Unit
    name: str


@dataclass(frozen=True)
class Contrast:
    """One side over the other, over paired blocks.

    Attributes:
        above: Numerator.
        below: Denominator.
        outcome: How the ratio lies to the margin.
        sentence: The two medians, by name, and the ratio of the blocks, or why there is none.
        effect: The ratio; None where there is none.
        p: Exact one-sided p-value of the outcome; None where it decides nothing.
    """

    above: Side
    below: Side
    outcome: Outcome
    sentence: str
    effect: Estimate | None = None
    p: float | None = None

    def evidence(self, *, decides: bool = True) -> Evidence:
        """Show it as evidence."""
        usable = all(admissible(side.sandbox, side.metric) for side in (self.above, self.below))
        return Evidence(
            observation=f"{self.above.name} / {self.below.name}",
            result=self.sentence,
            effect=self.effect,
            decides=decides and usable,
            admissible=usable,
        )


@dataclass(frozen=True)
class Case:
    """A run, ready to be judged.

    Attributes:
        info: What the run says of itself.
        table: Its samples, tidy.
        words: Its probes, controls and digests.
    """

    info: RunInfo
    table: pd.DataFrame
    words: tuple[WordRow, ...]

    def sandbox(self, kind: str) -> SandboxInfo | None:
        """Return the sandbox that stands for a kind: the one of that very name, else the first."""
        found = [sandbox for sandbox in self.info.sandboxes if sandbox.kind == kind]
        return next((one for one in found if one.name == kind), found[0] if found else None)

    def missing(self, kinds: Iterable[str]) -> str | None:
        """Say which of these kinds of sandbox the run lacks, and why; None where it has all."""
        for kind in kinds:
            if self.sandbox(kind) is None:
                reason = self.info.absent.get(kind)
                return (
                    f"{kind} could not be had on this host: {reason}"
                    if reason
                    else f"the run did not measure {kind}"
                )
        return None

    def rows(self, side: Side) -> pd.DataFrame:
        """Return the samples of a side, failures included."""
        return select(self.table, side.sandbox.name, side.workload, side.metric)

    def has(self, side: Side) -> bool:
        """Whether there is at least one number."""
        return not measured(self.rows(side)).empty

    def median(self, side: Side) -> Estimate:
        """Return the median of a side over all its blocks."""
        return Estimate.of(estimators.interval(measured(self.rows(side))["value"].tolist()))

    def trouble(self, side: Side) -> str | None:
        """Say why nothing may rest on this side; None where something may."""
        rows = self.rows(side)
        good = len(measured(rows))
        bad = int(rows["status"].isin([one.value for one in Status if one.failure]).sum())
        if not good + bad:
            return f"{side.name} was not measured"
        if bad > declared().rules.most_failed * (good + bad):
            return f"{bad} of {good + bad} measurements of {side.name} failed"
        if good < estimators.fewest():
            return f"{side.name}: only {_blocks(good)}, an interval needs {estimators.fewest()}"
        return None

    def contrast(self, above: Side, below: Side, factor: float) -> Contrast:
        """Compare two sides over their paired blocks against a margin."""
        for side in (above, below):
            if trouble := self.trouble(side):
                return Contrast(above, below, Outcome.UNUSABLE, trouble)
        pairs = paired(self.rows(above), self.rows(below))
        if len(pairs) < estimators.fewest():
            few = f"{above.name} and {below.name}: only {_blocks(len(pairs))} with both"
            needs = f"an interval needs {estimators.fewest()}"
            return Contrast(above, below, Outcome.UNUSABLE, f"{few}, {needs}")
        effect = Estimate.of(estimators.ratio(pairs))
        if effect.low is None or effect.high is None:
            zero = f"{below.name} is not reliably above zero"
            return Contrast(above, below, Outcome.UNUSABLE, zero)
        outcome, p = _decide(pairs, effect, factor)
        return Contrast(above, below, outcome, self._sentence(above, below, effect), effect, p)

    def _sentence(self, above: Side, below: Side, effect: Estimate) -> str:
        sides = ", ".join(
            f"{side.name} {units.quantity(self.median(side).estimate, side.unit)}"
            for side in (above, below)
        )
        return f"{sides}; block by block {ratio(effect)}, {effect.n} blocks"


def ratio(effect: Estimate) -> str:
    """Return a ratio with its interval, for example "8.11 times (7.92 to 8.40)"."""
    if effect.estimate is None or effect.low is None or effect.high is None:
        return units.MISSING
    low, high = (units.digits(end, effect.estimate) for end in (effect.low, effect.high))
    return f"{units.digits(effect.estimate)}{units.TIMES} ({low} to {high})"


def _blocks(count: int) -> str:
    return "1 block" if count == 1 else f"{count} blocks"


def _decide(
    pairs: estimators.Pairs, effect: Estimate, factor: float
) -> tuple[Outcome, float | None]:
    assert effect.low is not None  # the caller has looked
    assert effect.high is not None
    if effect.low > 1 + factor:
        return Outcome.ABOVE, estimators.p_above(pairs, 1 + factor)
    if effect.high < 1 / (1 + factor):
        return Outcome.BELOW, estimators.p_below(pairs, 1 / (1 + factor))
    equal = estimators.equivalence(pairs, factor)
    if equal.inside:
        return Outcome.WITHIN, equal.p
    return Outcome.UNDECIDED, None
