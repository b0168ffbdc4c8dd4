"""How starts are distributed: quantiles where there are enough, and modes where there are two."""

import msgspec

from benchmarks.results import metrics
from benchmarks.stats import steadiness
from benchmarks.stats.quantiles import quantile
from reports.model.frame import every, nested, select
from reports.model.records import Estimate
from reports.model.rundata import RunData

QUANTILES = (0.5, 0.95, 0.99)


class Modes(msgspec.Struct, frozen=True, kw_only=True):
    """Two levels that starts come in.

    Attributes:
        low_s: Median of the lower ones.
        high_s: Median of the higher ones.
        high_share: Share of the higher ones.
    """

    low_s: float
    high_s: float
    high_share: float


class StartSpread(msgspec.Struct, frozen=True, kw_only=True):
    """How whole starts of one sandbox are distributed, warm-ups left out where there are others.

    Attributes:
        sandbox: Its name.
        starts: How many they are.
        quantiles: p50, p95 and p99; None where the starts are too few for one.
        modes: Two levels, where they come in two.
    """

    sandbox: str
    starts: int
    quantiles: dict[str, Estimate | None]
    modes: Modes | None


def spreads(data: RunData) -> tuple[StartSpread, ...]:
    """Return how the starts of each sandbox are distributed."""
    found = []
    for name in data.names:
        rows = select(data.table, name, metrics.STARTUP, metrics.MAIN.metric)
        blocks = nested(rows) or [[value] for value in every(rows)["value"].tolist()]
        values = [value for block in blocks for value in block]
        if values:
            told = steadiness.modes(values)
            found.append(
                StartSpread(
                    sandbox=name,
                    starts=len(values),
                    quantiles={
                        f"p{100 * share:.0f}": _estimate(blocks, share, data.info.seed)
                        for share in QUANTILES
                    },
                    modes=told and Modes(low_s=told.low, high_s=told.high, high_share=told.share),
                )
            )
    return tuple(found)


def _estimate(blocks: list[list[float]], share: float, seed: int) -> Estimate | None:
    found = quantile(blocks, share, seed=seed)
    return None if found is None else Estimate.of(found)
