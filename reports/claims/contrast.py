"""Compare one metric of two sandboxes over paired blocks against a margin."""

from dataclasses import dataclass, field
from enum import Enum, auto
from typing import NamedTuple

import pandas as pd

from benchmarks.results.records import SandboxInfo, Status, Unit
from benchmarks.stats import estimators
from reports.claims import worst
from reports.claims.drift import moved
from reports.model.declaration import admissible, declared
from reports.model.frame import by_block, every, measured, select
from reports.model.records import Estimate, Evidence
from reports.model.rundata import RunData
from reports.renderers import units


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

    def rows(self, data: RunData) -> pd.DataFrame:
        """Return its samples, failures included."""
        return select(data.table, self.sandbox.name, self.workload, self.metric)

    def values(self, data: RunData) -> list[float]:
        """Return its numbers, one a block."""
        return by_block(self.rows(data)).tolist()

    def ranked(self, data: RunData) -> list[float]:
        """Return its numbers, one a block, failures as worse than all others."""
        return by_block(worst.ranked(self.rows(data), self.unit)).tolist()

    def median(self, data: RunData) -> Estimate:
        """Return the median of what was measured, over its blocks."""
        return Estimate.of(estimators.interval(self.values(data)))

    def failures(self, data: RunData) -> str:
        """Say how many measurements failed, and how they count; nothing where none did."""
        rows = self.rows(data)
        bad = len(worst.failed(rows))
        if not bad:
            return ""
        return f"; {bad} of {bad + len(every(rows))} of {self.name} failed and rank worst"

    def trouble(self, data: RunData) -> str | None:
        """Say why nothing may rest on it; None where something may."""
        rows = self.rows(data)
        good = len(every(rows))
        bad = int(rows["status"].isin([one.value for one in Status if one.failure]).sum())
        if not good + bad:
            return f"{self.name} was not measured"
        if bad > declared().rules.most_failed * (good + bad):
            return f"{bad} of {good + bad} measurements of {self.name} failed"
        good = len(measured(rows))
        if good < estimators.fewest():
            return f"{self.name}: only {_blocks(good)}, an interval needs {estimators.fewest()}"
        return None


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
        pairs: The values it was computed from, failures ranked worst.
    """

    above: Side
    below: Side
    outcome: Outcome
    sentence: str
    effect: Estimate | None = None
    p: float | None = None
    pairs: estimators.Pairs = field(default=(), repr=False)

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


def contrast(data: RunData, above: Side, below: Side, factor: float) -> Contrast:
    """Compare two sides over their paired blocks against a margin."""
    for side in (above, below):
        if trouble := side.trouble(data):
            return Contrast(above, below, Outcome.UNUSABLE, trouble)
    both = worst.side_by_side(above.rows(data), below.rows(data), above.unit)
    pairs = list(zip(both["above"].tolist(), both["below"].tolist(), strict=True))
    if len(pairs) < estimators.fewest():
        few = f"{above.name} and {below.name}: only {_blocks(len(pairs))} with both"
        needs = f"an interval needs {estimators.fewest()}"
        return Contrast(above, below, Outcome.UNUSABLE, f"{few}, {needs}")
    effect = Estimate.of(estimators.ratio(pairs))
    if effect.low is None or effect.high is None:
        zero = f"{below.name} is not reliably above zero"
        return Contrast(above, below, Outcome.UNUSABLE, zero)
    outcome, p = _decide(pairs, effect, factor)
    sides = ", ".join(
        f"{side.name} {units.quantity(side.median(data).estimate, side.unit)}"
        for side in (above, below)
    )
    sentence = f"{sides}; block by block {units.ratio(effect)}, {effect.n} blocks"
    sentence += above.failures(data) + below.failures(data)
    if change := moved(both["above"] / both["below"], data.info.seed):
        block, *levels = change
        was, became = (f"{units.digits(level)}{units.TIMES}" for level in levels)
        sentence += f"; but the halves differ: {was} before block {block}, {became} from it on"
    return Contrast(above, below, outcome, sentence, effect, p, pairs)


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
