"""Markdown tables of the simulation's results."""

from collections.abc import Sequence

from benchmarks.simulation.coverage import Coverage
from benchmarks.simulation.decisions import Alarms, Power
from benchmarks.simulation.stopping import Stopping
from benchmarks.simulation.turns import Turns

_LOWEST, _HIGHEST = 0.93, 0.97
_ALARMS = 0.01
_POWER = 0.95


def coverage(rows: Sequence[Coverage]) -> str:
    """Render coverage; what is outside 93-97 % is bold."""
    head = [
        "noise",
        "n",
        "median",
        "sure",
        "paired ratio",
        "sure",
        "exact median",
        "bootstrap ratio",
        "width",
    ]
    body = [
        [
            row.noise,
            str(row.n),
            _marked(row.median, good=_promised(row.median)),
            _percent(row.median_sure),
            _marked(row.ratio, good=_promised(row.ratio)),
            _percent(row.ratio_sure),
            _percent(row.exact_median),
            _percent(row.bootstrap_ratio),
            f"{row.narrower:.2f}",
        ]
        for row in rows
    ]
    return table(head, body)


def alarms(rows: Sequence[Alarms], judged: int) -> str:
    """Render false decisions in A/A campaigns; what is above 1 % is bold."""
    head = [
        "noise",
        "n",
        "claim, margin 5 %",
        "claim, margin 10 %",
        f"compare, {judged} metrics",
        "compare, only worse",
        "compare at level 5 %",
    ]
    body = [
        [
            row.noise,
            str(row.n),
            *(
                _marked(share, good=share <= _ALARMS)
                for share in (*row.differs, row.changed, row.worse, row.loose)
            ),
        ]
        for row in rows
    ]
    return table(head, body)


def power(rows: Sequence[Power], blocks: int, judged: int) -> str:
    """Render the power to find 5 %; at the budget's blocks, what is below 95 % is bold."""
    head = [
        "noise",
        "n",
        "paired, one run",
        f"compare, one of {judged}",
        "compare, threshold 2 %",
        "no shift: equal within 5 %",
    ]
    body = [
        [
            row.noise,
            f"{row.n} (budget)" if row.n == blocks else str(row.n),
            *(
                _marked(share, good=row.n != blocks or share >= _POWER)
                for share in (row.paired, row.compared, row.compared_low)
            ),
            _percent(row.equal),
        ]
        for row in rows
    ]
    return table(head, body)


def stopping(rows: Sequence[Stopping]) -> str:
    """Render the stopping rule beside the fixed design."""
    head = [
        "noise",
        "stop at",
        "reached",
        "mean blocks",
        "wall time / fixed 100",
        "coverage at stop",
        "coverage, fixed 100",
        "precision, fixed 100",
    ]
    body = [
        [
            row.noise,
            f"±{row.precision:.0%}",
            _percent(row.reached),
            f"{row.blocks:.1f}",
            f"{row.wall:.2f}",
            _marked(row.covered, good=_promised(row.covered)),
            _percent(row.covered_fixed),
            f"±{row.precision_fixed:.1%}",
        ]
        for row in rows
    ]
    return table(head, body)


def turns(rows: Sequence[Turns], judged: int) -> str:
    """Render versions measured in turns; alarms above 1 % and power below 95 % are bold."""
    head = [
        "noise",
        "rounds",
        "5 % slower: found",
        f"A/A: alarms, {judged} metrics",
        "A/A: equal within 5 %",
        "A/A: two single runs 5 % apart",
    ]
    body = [
        [
            row.noise,
            str(row.rounds),
            _marked(row.found, good=row.found >= _POWER),
            _marked(row.alarms, good=row.alarms <= _ALARMS),
            _percent(row.equal),
            _percent(row.one_run),
        ]
        for row in rows
    ]
    return table(head, body)


def _promised(covered: float) -> bool:
    """Judge coverage by the figure that is shown."""
    return _LOWEST <= round(covered, 3) <= _HIGHEST


def _marked(share: float, *, good: bool) -> str:
    return _percent(share) if good else f"**{_percent(share)}**"


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def table(head: Sequence[str], body: Sequence[Sequence[str]]) -> str:
    """Render any table."""
    lines = [head, ["---"] * len(head), *body]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
