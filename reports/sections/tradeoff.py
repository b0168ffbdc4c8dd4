"""Lay what each sandbox costs against what it exposes."""

from benchmarks.results.records import Unit
from reports.claims import tradeoff
from reports.model.content import Cell, Content, Picture, Table, Text, columns, said
from reports.model.rundata import RunData
from reports.renderers import plots, units
from reports.renderers.plots.series import Series
from reports.sections.base import Section

_INTRO = (
    "Cheaper is left, fewer leaks of the host is lower. Only confirmed leaks count; what nothing "
    "confirms and probes without a result widen the count to a range. Throughput lost is that of "
    "the workload which loses most against native."
)
_CAPTION = "Cost against exposure; unbeaten: no other is certainly cheaper and leaks no more"


def build(data: RunData) -> Content:
    """Draw a panel a cost, and name in a table what no other beats."""
    kinds = {name: unit for name, (_, _, unit) in tradeoff.COSTS.items()}
    kinds[tradeoff.LOST] = Unit.RATIO
    series = Series(data.info.sandboxes)
    panels, rows = [], []
    missing: list[str] = []
    for cost, unit in kinds.items():
        found = tradeoff.points(data, cost)
        best = tradeoff.front(data, cost, found)
        drawn = [point for point in found if point.sandbox in series.names]
        there = {point.sandbox for point in drawn}
        lacking = [name for name in data.names if name not in there]
        if drawn and lacking:
            missing.append(f"{cost} leaves out {', '.join(lacking)}")
        if drawn:
            spots = [plots.tradeoff.Spot(*p[:5], p.sandbox in best) for p in drawn]
            panels.append((cost, unit, spots))
        rows += [_row(cost, unit, point, best) for point in found]
    if not rows:
        return Content()
    left = f" Not measured, failed or not drawn: {'; '.join(missing)}." if missing else ""
    told = "; ".join(
        f"{cost}: unbeaten {', '.join(s.sandbox for s in spots if s.unbeaten) or 'none'}"
        for cost, _, spots in panels
    )
    picture = Picture(
        "tradeoff",
        "Cost against exposure." + left,
        f"Points by cost and confirmed leaks; ringed: no other beats it. {told}.",
        lambda: plots.tradeoff.tradeoff(panels, series),
    )
    heads = columns("Sandbox", "Cost", "Median#", "Leaks#", "Ranking")
    pictures = (picture,) if panels else ()
    return Content(blocks=(said(_INTRO), *pictures, Table(_CAPTION, heads, tuple(rows))))


def _row(cost: str, unit: Unit, point: tradeoff.Point, best: frozenset[str]) -> tuple[Text, ...]:
    if unit is Unit.RATIO:
        value, low, high = point.cost, point.cost.low, point.cost.high
        shown = _percent(value.estimate or 0.0)
        known = low is not None and high is not None
        small = "no interval"
        if low is not None and high is not None:
            small = f"{_percent(low)} to {_percent(high)}"
        small += units.UNSURE if value.unsure else ""
    else:
        shown = units.middle(point.cost, unit)
        known = point.cost.low is not None
        small = units.interval(point.cost, unit) if known else f"no interval from {point.cost.n}"
    leaks = str(point.low) if point.low == point.high else f"{point.low} to {point.high}"
    ranked = point.admissible and known
    rank = ("unbeaten" if point.sandbox in best else "beaten") if ranked else "not ranked"
    return (
        Cell(point.sandbox, target="leaks"),
        cost,
        Cell(shown, small, admissible=point.admissible),
        leaks,
        rank,
    )


def _percent(fraction: float) -> str:
    return f"{units.digits(100 * fraction, 1)}\u00a0%"


SECTION = Section(
    name="tradeoff",
    title="Cost against exposure",
    place=15,
    build=build,
    workloads=(),
)
