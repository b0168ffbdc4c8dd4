"""Victims beside aggressors, and aggressors beside the host's accounts."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from benchmarks.experiments.interference import AGGRESSORS, FOUND, VICTIMS
from benchmarks.results.records import Unit
from benchmarks.stats import estimators
from reports import units
from reports.case import ratio
from reports.isolation_model import AccountRow, OrdealRow
from reports.model import Estimate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.experiments.interference import Account, Ordeal
    from benchmarks.results.runfolder import Run
    from reports.document_model import Document


class InterferenceCell(NamedTuple):
    """One cell: the slowdown with its interval, and the work lost below it."""

    value: str
    small: str
    admissible: bool


class InterferenceTable(NamedTuple):
    """Victims and aggressors down, sandboxes across."""

    sandboxes: tuple[str, ...]
    rows: list[tuple[str, list[InterferenceCell]]]


def ordeals(run: Run) -> tuple[OrdealRow, ...]:
    """Return every ordeal of a run.

    Raises:
        RunFolderError: A file of evidence in the run folder is damaged.
    """
    return tuple(
        _ordeal(one, admissible=box.admissible_cpu)
        for box in run.info.sandboxes
        if (found := FOUND.read(run.path / "logs", box.name)) is not None
        for one in found.ordeals
    )


def accounts(run: Run) -> tuple[AccountRow, ...]:
    """Return every account of a run.

    Raises:
        RunFolderError: A file of evidence in the run folder is damaged.
    """
    return tuple(
        _account(one)
        for box in run.info.sandboxes
        if (found := FOUND.read(run.path / "logs", box.name)) is not None
        for one in found.accounts
    )


def slowdown_table(report: Document) -> InterferenceTable:
    """Return the report's ordeals as a table."""
    names = tuple(dict.fromkeys(row.sandbox for row in report.ordeals))
    found = {(row.victim, row.aggressor, row.sandbox): row for row in report.ordeals}
    return InterferenceTable(
        names,
        [
            (
                f"{victim} beside {aggressor}",
                [_cell(found.get((victim, aggressor, name))) for name in names],
            )
            for victim in VICTIMS
            for aggressor in AGGRESSORS
        ],
    )


def account_table(report: Document) -> InterferenceTable:
    """Return the report's accounts as a table."""
    names = tuple(dict.fromkeys(row.sandbox for row in report.accounts))
    found = {(row.aggressor, row.sandbox): row for row in report.accounts}
    return InterferenceTable(
        names,
        [
            (aggressor, [_charge(found.get((aggressor, name))) for name in names])
            for aggressor in AGGRESSORS
        ],
    )


def _ordeal(one: Ordeal, *, admissible: bool) -> OrdealRow:
    worked = one.error is None
    return OrdealRow(
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


def _cell(row: OrdealRow | None) -> InterferenceCell:
    if row is None or row.slowdown is None or row.lost_per_s is None:
        why = units.MISSING if row is None else row.error or units.MISSING
        return InterferenceCell("failed", why, admissible=True)
    shown = ratio(row.slowdown)
    if shown == units.MISSING:
        shown = units.quantity(row.slowdown.estimate, Unit.RATIO)
    lost = units.quantity(row.lost_per_s.estimate, Unit.PER_SECOND)
    return InterferenceCell(shown, f"{lost} less", row.admissible)


def _charge(row: AccountRow | None) -> InterferenceCell:
    if row is None or row.uncharged_s is None:
        why = units.MISSING if row is None else row.error or units.MISSING
        return InterferenceCell("failed", why, admissible=True)
    charged = (
        "nobody counts what is charged"
        if row.charged_s is None
        else f"beside {units.quantity(row.charged_s.estimate, Unit.SECONDS)} charged"
    )
    shown = units.estimate(row.uncharged_s, Unit.SECONDS)
    return InterferenceCell(shown, charged, admissible=True)
