"""Show victims beside aggressors, and aggressors beside the host's accounts."""

from collections.abc import Sequence

import msgspec

from benchmarks.experiments.interference import AGGRESSORS, FOUND, VICTIMS, Account, Ordeal
from benchmarks.results import metrics
from benchmarks.results.records import Unit
from benchmarks.stats import estimators
from reports.model.content import MISSING, Cell, Content, Heading, Picture, Table, failed, said
from reports.model.records import Estimate
from reports.model.rundata import RunData
from reports.renderers import plots, units
from reports.renderers.plots.series import Series
from reports.sections import tables
from reports.sections.base import Section

_INTRO = (
    "A victim works all the time in one instance; an aggressor in another of the same sandbox, "
    "with equal limits and the same CPUs, works in every other slot, in seeded random order. The "
    "slowdown is the middle of the ratios of neighbouring slots. Two that share one CPU fairly are "
    "each twice as slow."
)
_UNCHARGED = (
    "CPU time of the host's kernel threads and interrupts while an aggressor works alone, beyond "
    "that of a quiet round just before: the limits of its control group do not hold it."
)


class SlowdownRow(msgspec.Struct, frozen=True, kw_only=True):
    """A victim beside an aggressor, in two instances of one sandbox.

    Attributes:
        sandbox: Name of the sandbox.
        victim: What the victim does.
        aggressor: What the aggressor does.
        slowdown: How many times slower the victim is; None where the attempt failed.
        lost_per_s: How many pieces of work a second less it does.
        busy: Share of the CPUs' time that the host was busy.
        error: Why there is nothing.
        admissible: False where the sandbox's CPU is emulated.
    """

    sandbox: str
    victim: str
    aggressor: str
    slowdown: Estimate | None
    lost_per_s: Estimate | None
    busy: float | None
    error: str | None
    admissible: bool


class AccountRow(msgspec.Struct, frozen=True, kw_only=True):
    """What an aggressor alone was charged, and what the host's kernel did beside that.

    Attributes:
        sandbox: Name of the sandbox.
        aggressor: What the aggressor does.
        charged_s: CPU seconds charged in a round; None where nobody counts or it failed.
        uncharged_s: CPU seconds of kernel threads and interrupts beyond a quiet round's.
        round_s: Length of a round, seconds.
        error: Why there is nothing.
    """

    sandbox: str
    aggressor: str
    charged_s: Estimate | None
    uncharged_s: Estimate | None
    round_s: float
    error: str | None


def build(data: RunData) -> Content:
    """Show the slowdowns, then the accounts."""
    slowed, accounts = rows(data)
    records = {"ordeals": slowed, "accounts": accounts}
    if not slowed:
        return Content(records=records)
    slowdown = {(row.victim, row.aggressor, row.sandbox): row for row in slowed}
    names = list(dict.fromkeys(row.sandbox for row in slowed))
    victims = Table(
        "Times slower, with the 95 % interval, and the pieces of work lost in a second",
        tables.heads("Victim", names),
        tuple(
            (
                f"{victim} beside {aggressor}",
                *(_slowdown(slowdown.get((victim, aggressor, name))) for name in names),
            )
            for victim in VICTIMS
            for aggressor in AGGRESSORS
        ),
    )
    account = {(row.aggressor, row.sandbox): row for row in accounts}
    charged = list(dict.fromkeys(row.sandbox for row in accounts))
    uncharged = Table(
        "CPU time of the host's kernel that no group is charged for, in a round",
        tables.heads("Aggressor", charged),
        tuple(
            (aggressor, *(_charge(account.get((aggressor, name))) for name in charged))
            for aggressor in AGGRESSORS
        ),
    )
    return Content(
        blocks=(
            said(_INTRO),
            *_picture(data, slowed),
            victims,
            Heading("What nobody is charged for"),
            said(_UNCHARGED),
            uncharged,
        ),
        records=records,
    )


def rows(data: RunData) -> tuple[tuple[SlowdownRow, ...], tuple[AccountRow, ...]]:
    """Return what was tried in each sandbox.

    Raises:
        RunFolderError: A file of evidence in the run folder is damaged.
    """
    slowed: list[SlowdownRow] = []
    accounts: list[AccountRow] = []
    for box in data.info.sandboxes:
        found = FOUND.read(data.run.path / "logs", box.name)
        if found is not None:
            slowed += [_slowed(one, admissible=box.admissible_cpu) for one in found.ordeals]
            accounts += [_account(one) for one in found.accounts]
    return tuple(slowed), tuple(accounts)


def _slowed(one: Ordeal, *, admissible: bool) -> SlowdownRow:
    worked = one.error is None
    return SlowdownRow(
        sandbox=one.sandbox,
        victim=one.victim,
        aggressor=one.aggressor,
        slowdown=Estimate.of(estimators.ratio(one.pairs)) if worked else None,
        lost_per_s=_estimate([quiet - beside for quiet, beside in one.pairs]) if worked else None,
        busy=one.busy,
        error=one.error,
        admissible=admissible,
    )


def _account(one: Account) -> AccountRow:
    counted = [charged for charged in one.charged_s if charged is not None]
    return AccountRow(
        sandbox=one.sandbox,
        aggressor=one.aggressor,
        charged_s=_estimate(counted) if counted else None,
        uncharged_s=_estimate(one.uncharged_s) if one.error is None else None,
        round_s=one.round_s,
        error=one.error,
    )


def _estimate(values: Sequence[float]) -> Estimate:
    return Estimate.of(estimators.interval(values))


def _picture(data: RunData, slowed: Sequence[SlowdownRow]) -> tuple[Picture, ...]:
    series = Series(data.info.sandboxes)
    found = [
        (row, row.slowdown)
        for row in slowed
        if row.sandbox in series.names and row.slowdown is not None and row.slowdown.estimate
    ]
    if not found:
        return ()

    marks = [
        (f"{row.victim} beside {row.aggressor}", row.sandbox, slowdown, row.admissible)
        for row, slowdown in found
    ]
    told = "; ".join(
        f"{row.victim} beside {row.aggressor} in {row.sandbox} "
        f"{units.estimate(slowdown, Unit.RATIO)}"
        for row, slowdown in found
    )
    what = "How many times slower each victim is beside each aggressor, on a logarithmic axis. "
    return (
        Picture(
            "interference",
            "Victims beside aggressors",
            what + series.left_out + told,
            lambda: plots.interference.interference(marks, series),
        ),
    )


def _slowdown(row: SlowdownRow | None) -> Cell:
    if row is None:
        return Cell(MISSING)
    if row.slowdown is None or row.slowdown.estimate is None or row.lost_per_s is None:
        return failed(row.error or "")
    lost = f"{units.quantity(row.lost_per_s.estimate, Unit.PER_SECOND)} less"
    return _effect(row.slowdown, Unit.RATIO, lost, admissible=row.admissible)


def _charge(row: AccountRow | None) -> Cell:
    if row is None:
        return Cell(MISSING)
    if row.uncharged_s is None or row.uncharged_s.estimate is None:
        return failed(row.error or "")
    if row.charged_s is None:
        beside = "nobody counts what is charged"
    else:
        beside = f"beside {units.quantity(row.charged_s.estimate, Unit.SECONDS)} charged"
    return _effect(row.uncharged_s, Unit.SECONDS, beside)


def _effect(value: Estimate, unit: Unit, beside: str, *, admissible: bool = True) -> Cell:
    """Return an estimate, and below it its interval and what it goes with."""
    around = units.interval(value, unit)
    small = beside if around in {"", MISSING} else f"{around}; {beside}"
    return Cell(units.middle(value, unit), small, admissible=admissible)


SECTION = Section(
    name="interference",
    title="Interference",
    place=140,
    build=build,
    records={"ordeals": tuple[SlowdownRow, ...], "accounts": tuple[AccountRow, ...]},
    workloads=(metrics.INTERFERENCE,),
)
