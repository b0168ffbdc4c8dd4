"""Interference in every sandbox of a campaign: two instances of each, with equal limits."""

from __future__ import annotations

from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING

from benchmarks.errors import MeasurementError
from benchmarks.experiments import covert_channels
from benchmarks.experiments.base import Cadence, Context, Experiment
from benchmarks.experiments.interference import measure
from benchmarks.experiments.interference.model import (
    AGGRESSORS,
    VICTIMS,
    Account,
    Interference,
    Ordeal,
)
from benchmarks.experiments.probes.engine import INTERPRETER
from benchmarks.results import metrics
from benchmarks.results.evidence import Evidence
from benchmarks.results.records import Direction, Status, Unit

if TYPE_CHECKING:
    from collections.abc import Iterable

    from benchmarks.results.metrics import Row
    from benchmarks.results.recorder import Recorder

FOUND = Evidence("interference", Interference)
UNCHARGED = "uncharged_s"
SLOWDOWNS = {victim: f"slowdown_{victim}" for victim in VICTIMS}
"""Victim to metric."""

_DOES = {
    "cpu": "adding numbers",
    "memory": "copying memory",
    "disk": "reading from the disk",
    "net": "sending over the loopback link",
}


class NoisyInstances(Experiment):
    """What an aggressor in one instance does to a victim in another, and to the accounts."""

    name = metrics.INTERFERENCE
    title = "interference"
    cadence = Cadence.TOGETHER
    place = 82
    programs = (INTERPRETER,)

    @classmethod
    def rows(cls) -> Iterable[Row]:
        for victim in VICTIMS:
            told = f"slowdown of {_DOES[victim]} beside an aggressor"
            yield SLOWDOWNS[victim], Unit.RATIO, Direction.LOWER, told
        told = "CPU time of the host's kernel that no group is charged for, in a round"
        yield UNCHARGED, Unit.SECONDS, Direction.LOWER, told

    def run(self, context: Context) -> None:
        """Set every aggressor beside every victim, and look at the accounts."""
        name = context.name
        try:
            with ExitStack() as stack:
                one, two = (
                    covert_channels.end(name, stack.enter_context(context.sandbox.start()))
                    for _ in range(2)
                )
                found = Interference(
                    ordeals=tuple(measure.ordeals(one, two, context.seed)),
                    accounts=tuple(measure.accounts(two)),
                )
        except MeasurementError as error:
            found = _failed(name, str(error))
        FOUND.write(context.logs, found, name)
        record(context.record, found)


def _failed(name: str, why: str) -> Interference:
    return Interference(
        ordeals=tuple(
            Ordeal(sandbox=name, victim=victim, aggressor=against, error=why)
            for victim in VICTIMS
            for against in AGGRESSORS
        ),
        accounts=tuple(Account(sandbox=name, aggressor=one, error=why) for one in AGGRESSORS),
    )


def record(samples: Recorder, found: Interference) -> None:
    """Record what was found, pair by pair and round by round."""
    for ordeal in found.ordeals:
        _record_ordeal(samples, ordeal)
    for account in found.accounts:
        _record_account(samples, account)


def _record_ordeal(samples: Recorder, ordeal: Ordeal) -> None:
    note = partial(_note, samples, SLOWDOWNS[ordeal.victim], Unit.RATIO, aggressor=ordeal.aggressor)
    if ordeal.error is not None:
        note(None, ordeal.error)
    for place, (quiet, disturbed) in enumerate(ordeal.pairs):
        if disturbed > 0:
            told = f"{quiet:.4g}/s quiet, {disturbed:.4g}/s beside {ordeal.aggressor}"
            note(quiet / disturbed, told, place)
        else:
            note(None, "the victim did nothing at all beside the aggressor", place)


def _record_account(samples: Recorder, account: Account) -> None:
    note = partial(_note, samples, UNCHARGED, Unit.SECONDS, aggressor=account.aggressor)
    if account.error is not None:
        note(None, account.error)
    rounds = zip(account.charged_s, account.uncharged_s, strict=True)
    for place, (charged, value) in enumerate(rounds):
        told = "nobody counts what it used" if charged is None else f"{charged:.3f} s were charged"
        note(value, f"in a round of {account.round_s:g} s; {told}", place)


def _note(  # noqa: PLR0917  # the last three differ from call to call
    samples: Recorder,
    metric: str,
    unit: Unit,
    value: float | None,
    detail: str,
    pair: int | None = None,
    *,
    aggressor: str,
) -> None:
    """Record a value, or why there is none."""
    samples.add(
        metrics.INTERFERENCE,
        metric,
        unit,
        value,
        status=Status.FAILED if value is None else Status.OK,
        detail=detail,
        dimensions={"aggressor": aggressor},
        pair=pair,
    )
