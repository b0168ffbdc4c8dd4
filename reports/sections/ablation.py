"""Show what each technology of the container buys, and what it costs: one row a technology."""

from collections.abc import Iterable

import msgspec

from benchmarks.results import metrics
from benchmarks.results.records import Unit
from benchmarks.stats import estimators
from reports.claims.exposure import Exposed, exposed, without
from reports.model.content import MISSING, Cell, Content, Picture, Table, columns, said
from reports.model.frame import paired, select
from reports.model.records import Estimate
from reports.model.rundata import RunData
from reports.renderers import plots, units
from reports.sections import tables
from reports.sections.base import Section

_MEMORY = ("cgroup_bytes", "pss_bytes")
"""What counts an instance's memory: its group's charge, which holds the kernel's part; else PSS."""
_INTRO = (
    "The default container with one technology switched off, against the whole. What opens is "
    "what leaks or stands open without it and not with it; a technology that opens nothing may be "
    "covered by the others. Costs are medians of the differences block by block, negative where "
    "it is faster or smaller with it."
)


class AblationRow(msgspec.Struct, frozen=True, kw_only=True):
    """One technology of the container: what opens without it, and what it costs.

    Attributes:
        technology: Its name.
        sandbox: The container without it.
        opened: Probes and controls that are exposed without it and not with it.
        closed: Those that are exposed with it and not without.
        compared: How many have a result on both sides.
        cost_s: Seconds that a start takes longer with it, block by block.
        cost_bytes: Bytes of memory that an idle instance takes more with it.
    """

    technology: str
    sandbox: str
    opened: tuple[str, ...]
    closed: tuple[str, ...]
    compared: int
    cost_s: Estimate | None
    cost_bytes: Estimate | None


def build(data: RunData) -> Content:
    """Show a picture and a table of all technologies that were switched off."""
    rows = ablation(data)
    if not rows:
        return Content(records={"ablation": rows})
    table = Table(
        "What opens without it, and what it costs",
        columns("Technology", "Opens without it~", "Costs a start#", "Costs memory#"),
        tuple(
            (
                row.technology,
                _opens(row),
                tables.estimate(row.cost_s, Unit.SECONDS),
                tables.estimate(row.cost_bytes, Unit.BYTES),
            )
            for row in rows
        ),
    )
    return Content(blocks=(said(_INTRO), _picture(rows), table), records={"ablation": rows})


def ablation(data: RunData) -> tuple[AblationRow, ...]:
    """Compare the default container with each one that lacks a technology; nothing without both."""
    whole = next(
        (
            box.name
            for box in data.info.sandboxes
            if box.kind == "container" and box.profile == "default"
        ),
        None,
    )
    if whole is None:
        return ()
    with_it = exposed(data.words, whole)
    return tuple(
        _row(data, technology, whole, box.name, with_it)
        for technology, box in without(data).items()
    )


def _row(data: RunData, technology: str, whole: str, name: str, with_it: Exposed) -> AblationRow:
    without_it = exposed(data.words, name)
    both = [probe for probe in with_it if probe in without_it]
    memory = (_cost(data, whole, name, metrics.MEMORY, metric) for metric in _MEMORY)
    return AblationRow(
        technology=technology,
        sandbox=name,
        opened=tuple(_turned(both, without_it, with_it)),
        closed=tuple(_turned(both, with_it, without_it)),
        compared=len(both),
        cost_s=_cost(data, whole, name, metrics.STARTUP, "startup_main_s"),
        cost_bytes=next((cost for cost in memory if cost), None),
    )


def _turned(both: Iterable[tuple[str, str]], open_in: Exposed, shut_in: Exposed) -> list[str]:
    """Return the probes that are exposed in one and not in the other."""
    return [probe for key in both for _, probe in [key] if open_in[key] and not shut_in[key]]


def _cost(
    data: RunData, whole: str, without_it: str, workload: str, metric: str
) -> Estimate | None:
    """Return by how much more there is with the technology, block by block; None without pairs."""
    pairs = paired(
        select(data.table, whole, workload, metric),
        select(data.table, without_it, workload, metric),
    )
    if not pairs:
        return None
    return Estimate.of(estimators.interval([above - below for above, below in pairs]))


def _opens(row: AblationRow) -> Cell:
    """Return how many probes open; a dash where none was read on both sides."""
    if not row.compared:
        return Cell(MISSING, "no probe was read")
    told = [", ".join(row.opened)] if row.opened else []
    told += [f"and closes {', '.join(row.closed)}"] if row.closed else []
    return Cell(f"{len(row.opened)} of {row.compared}", "; ".join(told))


def _picture(rows: Iterable[AblationRow]) -> Picture:
    ranked = sorted(rows, key=lambda row: -len(row.opened))

    bars = [
        (row.technology, len(row.opened) if row.compared else None, row.cost_s, row.cost_bytes)
        for row in ranked
    ]
    what = (
        "For each technology of the container: how many probes and controls open without it, and "
        "by how many milliseconds a start and by how many KiB an instance grow with it. "
    )
    title = "What opens without each technology, and what each costs"
    told = what + "; ".join(map(_told, ranked))
    return Picture("ablation", title, told, lambda: plots.ablation.ablation(bars))


def _told(row: AblationRow) -> str:
    told = f"{row.technology} closes {len(row.opened) if row.compared else 'an unknown number'}"
    if row.cost_s is not None:
        told += f", costs {units.estimate(row.cost_s, Unit.SECONDS)}"
    if row.cost_bytes is not None:
        told += f" and {units.estimate(row.cost_bytes, Unit.BYTES)}"
    return told


SECTION = Section(
    name="ablation",
    title="What each technology buys and costs",
    place=150,
    build=build,
    records={"ablation": tuple[AblationRow, ...]},
)
