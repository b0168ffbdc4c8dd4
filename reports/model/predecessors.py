"""Estimate what the start before, of another sandbox or the same, does to a start."""

import msgspec
import pandas as pd

from benchmarks.results import metrics
from benchmarks.stats import estimators
from reports.model.frame import every
from reports.model.records import Estimate
from reports.model.rundata import RunData

_STARTED = (metrics.MAIN.metric, metrics.READY.metric)


class Predecessor(msgspec.Struct, frozen=True, kw_only=True):
    """Starts of one sandbox right behind starts of one.

    Attributes:
        sandbox: Whose starts.
        after: What was started before them.
        starts: How many there were, warm-ups among them.
        median_s: Their median.
        effect: Their median over that of the sandbox's other starts, block by block; None where no
            block has both.
    """

    sandbox: str
    after: str
    starts: int
    median_s: float
    effect: Estimate | None


def predecessors(data: RunData) -> tuple[Predecessor, ...]:
    """Return what stood before each sandbox's starts, in the campaign's order."""
    starts = _in_order(data)
    found = []
    for name in data.names:
        own = starts[starts["sandbox"] == name]
        for before in data.names:
            behind = own["before"] == before
            if behind.any():
                median = float(own[behind]["value"].median())
                found.append(
                    Predecessor(
                        sandbox=name,
                        after=before,
                        starts=int(behind.sum()),
                        median_s=median,
                        effect=_effect(own[behind], own[~behind & (own["before"] != "")]),
                    )
                )
    return tuple(found)


def _in_order(data: RunData) -> pd.DataFrame:
    """Return whole starts, each with what was started before it."""
    table = data.table
    rows = every(table[(table["workload"] == metrics.STARTUP) & table["metric"].isin(_STARTED)])
    rows = rows.sort_values("started_at", kind="stable")
    each = rows.drop_duplicates(["sandbox", "started_at"], keep="last").astype({"sandbox": str})
    each = each.assign(before=each["sandbox"].shift(1, fill_value=""))
    return each[each["metric"] == metrics.MAIN.metric]


def _effect(behind: pd.DataFrame, others: pd.DataFrame) -> Estimate | None:
    above, below = (rows.groupby("block")["value"].median() for rows in (behind, others))
    both = pd.concat([above, below], axis=1, join="inner").to_numpy()
    return Estimate.of(estimators.ratio(both)) if len(both) else None
