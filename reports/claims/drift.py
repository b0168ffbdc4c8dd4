"""Say which figures of a run changed while it ran, from which block on, or come in two modes."""

from typing import TYPE_CHECKING, NamedTuple

from benchmarks.results import metrics
from benchmarks.results.records import Unit
from benchmarks.stats import steadiness
from reports.model.frame import by_block, grouped
from reports.model.rundata import RunData
from reports.renderers import units

if TYPE_CHECKING:
    import pandas as pd

_LOOKED_AT = ("startup_main_s", "throughput_per_s")


class Drift(NamedTuple):
    """A figure that is not of one kind over the run.

    Attributes:
        sandbox: Where.
        workload: What was measured.
        unit: Unit of both levels.
        block: First block of the second level, counted from 1; None where both alternate.
        before: The first or lower level, a median.
        after: The other.
    """

    sandbox: str
    workload: str
    unit: Unit
    block: int | None
    before: float
    after: float

    @property
    def said(self) -> str:
        """It in a sentence."""
        before, after = (units.quantity(one, self.unit) for one in (self.before, self.after))
        what = "starts" if self.workload == metrics.STARTUP else self.workload
        if self.block is None:
            return f"{what} of {self.sandbox} come in two modes, around {before} and {after}"
        return (
            f"{what} of {self.sandbox} changed from block {self.block} on: {before} in the median "
            f"before, {after} after"
        )


def drifts(data: RunData) -> tuple[Drift, ...]:
    """Return the starts and throughputs that changed or come in two modes, sandbox by sandbox."""
    looked_at = data.table[data.table["metric"].isin(_LOOKED_AT)]
    found = []
    for key, rows in grouped(looked_at, "sandbox", "workload", "unit", "parameters").items():
        values = by_block(rows)
        if change := moved(values, data.info.seed):
            levels: tuple[int | None, float, float] = change
        elif not _changed(values, data.info.seed) and (modes := steadiness.modes(values.tolist())):
            levels = (None, modes.low, modes.high)
        else:
            continue
        found.append(Drift(key[0], key[1], Unit(key[2]), *levels))
    return tuple(found)


def moved(values: "pd.Series[float]", seed: int) -> tuple[int, float, float] | None:
    """Return from which block on values by block have another level, and both levels.

    Not what the first third alone shows: that is a warm-up, and said to be one.
    """
    change = steadiness.change(values.tolist(), seed=seed)
    if change is None or 3 * change.at <= len(values):
        return None
    return int(values.index[change.at]) + 1, change.before, change.after


def _changed(values: "pd.Series[float]", seed: int) -> bool:
    return steadiness.change(values.tolist(), seed=seed) is not None
