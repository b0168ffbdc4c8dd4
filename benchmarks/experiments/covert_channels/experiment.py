"""Covert channels between two instances, of every ordered pair of a campaign's sandboxes."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

from benchmarks.errors import MeasurementError
from benchmarks.experiments.base import Cadence, Context, Experiment
from benchmarks.experiments.covert_channels import transmit
from benchmarks.experiments.covert_channels.capacity import capacity
from benchmarks.experiments.covert_channels.model import CHANNELS, Attempt
from benchmarks.experiments.probes.engine import INTERPRETER
from benchmarks.results import metrics
from benchmarks.results.evidence import Evidence
from benchmarks.results.records import Direction, Status, Unit

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from benchmarks.results.metrics import Row
    from benchmarks.results.recorder import Recorder

ATTEMPTS = Evidence("channels", list[Attempt])


class CovertChannels(Experiment):
    """What one instance can send to another by means neither is meant to have."""

    name = metrics.CHANNELS
    title = "covert channels"
    cadence = Cadence.TOGETHER
    place = 81
    programs = (INTERPRETER,)

    @classmethod
    def rows(cls) -> Iterable[Row]:
        for channel in CHANNELS:
            told = f"capacity: {channel.title}"
            yield channel.name, Unit.BITS_PER_SECOND, Direction.LOWER, told

    def groups(self, names: Sequence[str]) -> Iterable[tuple[str, ...]]:
        return ((sender, receiver) for sender in names for receiver in names)

    def run(self, context: Context) -> None:
        """Try every channel from one to the other."""
        sender, receiver = (box.info.name for box in context.group)
        try:
            with ExitStack() as stack:
                one, two = (
                    transmit.end(box.info.name, stack.enter_context(box.start()))
                    for box in context.group
                )
                tried = list(transmit.attempts(one, two, context.seed))
        except MeasurementError as error:
            tried = [_failed(channel.name, sender, receiver, str(error)) for channel in CHANNELS]
        ATTEMPTS.write(context.logs, tried, sender, receiver)
        for attempt in tried:
            _record(context.record, attempt)


def _failed(channel: str, sender: str, receiver: str, why: str) -> Attempt:
    return Attempt(channel=channel, sender=sender, receiver=receiver, symbol_s=0, rate=0, error=why)


def _record(record: Recorder, attempt: Attempt) -> None:
    found = capacity(attempt)
    record.add(
        metrics.CHANNELS,
        attempt.channel,
        Unit.BITS_PER_SECOND,
        None if found is None else found.bits_per_s,
        status=Status.FAILED if found is None else Status.OK,
        detail=describe(attempt) if found else attempt.error or "no bits were compared",
        dimensions={"receiver": attempt.receiver},
    )


def read_attempts(logs: Path) -> list[Attempt]:
    """Return what a run has tried, pair by pair; nothing where it tried none.

    Raises:
        RunFolderError: A file is damaged.
    """
    return [attempt for tried in ATTEMPTS.read_all(logs) for attempt in tried]


def describe(attempt: Attempt) -> str:
    """Return what an attempt came to, as a sentence's worth."""
    found = capacity(attempt)
    if attempt.closed is not None:
        return f"closed: {attempt.closed}"
    if found is None:
        return f"error: {attempt.error}"
    how = (
        f"{attempt.wrong} of {attempt.bits} bits wrong at {attempt.symbol_s * 1e3:g} ms a symbol, "
        f"the host {attempt.busy or 0:.0%} busy"
    )
    if not found.carries:
        return f"carries nothing; below {_told(found.high)} bit/s ({found.band.value}): {how}"
    low, value, high = map(_told, (found.low, found.bits_per_s, found.high))
    return f"{value} bit/s ({low} to {high}), {found.band.value}: {how}"


def _told(bits_per_s: float) -> str:
    """Return three digits, and never an exponent."""
    rounded = float(f"{bits_per_s:.3g}")
    return f"{rounded:.0f}" if rounded >= 100 else f"{rounded:.3g}"  # noqa: PLR2004  # three digits
