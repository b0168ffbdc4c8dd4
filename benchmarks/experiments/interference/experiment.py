"""Interference in every sandbox of a campaign: two instances of each, with equal limits."""

from __future__ import annotations

from contextlib import ExitStack
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

    @classmethod
    def rows(cls) -> Iterable[Row]:
        """Return how much each victim slows down, and the time that nobody is charged for."""
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
    metric, dimensions = SLOWDOWNS[ordeal.victim], {"aggressor": ordeal.aggressor}
    if ordeal.error is not None:
        samples.add(
            metrics.INTERFERENCE,
            metric,
            Unit.RATIO,
            None,
            status=Status.FAILED,
            detail=ordeal.error,
            dimensions=dimensions,
        )
    for place, (quiet, disturbed) in enumerate(ordeal.pairs):
        went_on = disturbed > 0
        told = f"{quiet:.4g}/s quiet, {disturbed:.4g}/s beside {ordeal.aggressor}"
        samples.add(
            metrics.INTERFERENCE,
            metric,
            Unit.RATIO,
            quiet / disturbed if went_on else None,
            status=Status.OK if went_on else Status.FAILED,
            detail=told if went_on else "the victim did nothing at all beside the aggressor",
            dimensions=dimensions,
            pair=place,
        )


def _record_account(samples: Recorder, account: Account) -> None:
    dimensions = {"aggressor": account.aggressor}
    if account.error is not None:
        samples.add(
            metrics.INTERFERENCE,
            UNCHARGED,
            Unit.SECONDS,
            None,
            status=Status.FAILED,
            detail=account.error,
            dimensions=dimensions,
        )
    for place, (charged, value) in enumerate(
        zip(account.charged_s, account.uncharged_s, strict=True)
    ):
        told = "nobody counts what it used" if charged is None else f"{charged:.3f} s were charged"
        samples.add(
            metrics.INTERFERENCE,
            UNCHARGED,
            Unit.SECONDS,
            value,
            detail=f"in a round of {account.round_s:g} s; {told}",
            dimensions=dimensions,
            pair=place,
        )
