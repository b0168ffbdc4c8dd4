"""Interference: how much slower each victim is beside each aggressor, and what is not charged."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import click

from benchmarks.experiments.interference import AGGRESSORS, FOUND, VICTIMS, Interference
from benchmarks.results import metrics
from benchmarks.stats import estimators
from tare.leaks import grid

if TYPE_CHECKING:
    from benchmarks.experiments.interference import Account, Ordeal
    from benchmarks.results.runfolder import Run


def show(run: Run) -> None:
    """Print a line for each victim and aggressor, with the interval; then the accounts."""
    if metrics.INTERFERENCE not in run.info.campaign["workloads"]:
        return
    found = {
        box.name: FOUND.read(run.path / "logs", box.name) or Interference()
        for box in run.info.sandboxes
    }
    rows = []
    for victim in VICTIMS:
        rows.append(grid.Row(f"victim: {victim}"))
        for against in AGGRESSORS:
            cells = tuple(_slowdown(_ordeal(one, victim, against)) for one in found.values())
            rows.append(grid.Row(f"beside {against}", cells))
    grid.show("times slower, 95 % interval", list(found), rows, right=True)
    click.echo()
    rows = [
        grid.Row(against, tuple(_uncharged(_account(one, against)) for one in found.values()))
        for against in AGGRESSORS
    ]
    grid.show("uncharged CPU, of what is charged", list(found), rows, right=True)
    for name, one in found.items():
        reasons = Counter(each.error for each in one.ordeals if each.error)
        reasons.update(each.error for each in one.accounts if each.error)
        for why, times in reasons.items():
            click.echo(f"tare: {name}, {times} times: {why}", err=True)


def _ordeal(found: Interference, victim: str, against: str) -> Ordeal | None:
    wanted = (victim, against)
    return next((o for o in found.ordeals if (o.victim, o.aggressor) == wanted), None)


def _account(found: Interference, against: str) -> Account | None:
    return next((one for one in found.accounts if one.aggressor == against), None)


def _slowdown(ordeal: Ordeal | None) -> str:
    if ordeal is None or ordeal.error is not None:
        return "error"
    ratio = estimators.ratio(ordeal.pairs)
    if ratio.estimate is None:
        return "error"
    if ratio.low is None or ratio.high is None:
        return f"{ratio.estimate:.2f}"
    return f"{ratio.estimate:.2f} ({ratio.low:.2f}-{ratio.high:.2f})"


def _uncharged(account: Account | None) -> str:
    """Return the median share with its interval; nothing where nobody counts what is charged."""
    if account is None or account.error is not None:
        return "error"
    shares = [
        value / charged
        for charged, value in zip(account.charged_s, account.uncharged_s, strict=True)
        if charged
    ]
    if not shares:
        return "not counted"
    told = estimators.interval(shares)
    if told.low is None or told.high is None:
        return f"{told.estimate:.0%}"
    return f"{told.estimate:.0%} ({told.low:.0%} to {told.high:.0%})"
