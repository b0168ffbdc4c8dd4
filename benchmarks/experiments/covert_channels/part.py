"""Covert channels as joint acts of a campaign: between two instances of every pair of sandboxes."""

from __future__ import annotations

from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING

import msgspec

from benchmarks.errors import MeasurementError, RunFolderError
from benchmarks.experiments.covert_channels import transmit
from benchmarks.experiments.covert_channels.capacity import capacity
from benchmarks.experiments.covert_channels.model import CHANNELS, Attempt
from benchmarks.experiments.parts import JointAct, sample
from benchmarks.results import metrics, runfolder
from benchmarks.results.records import Direction, MetricInfo, Unit

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from benchmarks.results.records import RunInfo, Sample
    from benchmarks.sandboxes.base import Sandbox


def acts(info: RunInfo, logs: Path, sandboxes: Mapping[str, Sandbox]) -> Iterator[JointAct]:
    """Return an act for every ordered pair of sandboxes, each with itself included."""
    for sender in sandboxes:
        for receiver in sandboxes:
            yield JointAct(
                sandbox=sender,
                part=f"{metrics.CHANNELS} to {receiver}",
                title=f"channels from {sender} to {receiver}",
                act=partial(_try_pair, info, logs, sandboxes, sender, receiver),
            )


def read(logs: Path) -> list[Attempt]:
    """Return what a run has tried, pair by pair; nothing where it tried none.

    Raises:
        RunFolderError: A file is damaged.
    """
    found: list[Attempt] = []
    for path in sorted(logs.glob("channels-*.json")):
        try:
            found += msgspec.json.decode(path.read_bytes(), type=list[Attempt])
        except msgspec.DecodeError as error:
            raise RunFolderError(
                f"{path} is damaged ({error}); start a new run, or restore the file from a copy",
            ) from error
    return found


def metric_infos() -> list[MetricInfo]:
    """Return what a run says of the channels."""
    return [
        MetricInfo(
            workload=metrics.CHANNELS,
            metric=channel.name,
            unit=Unit.BITS_PER_SECOND,
            direction=Direction.LOWER,
            title=f"capacity: {channel.title}",
        )
        for channel in CHANNELS
    ]


def _try_pair(
    info: RunInfo, logs: Path, sandboxes: Mapping[str, Sandbox], sender: str, receiver: str
) -> list[Sample]:
    try:
        with ExitStack() as stack:
            one, two = (
                transmit.end(name, stack.enter_context(sandboxes[name].start()))
                for name in (sender, receiver)
            )
            tried = list(transmit.attempts(one, two, info.seed))
    except MeasurementError as error:
        tried = [_failed(channel.name, sender, receiver, str(error)) for channel in CHANNELS]
    name = f"channels-{sender}-to-{receiver}.json".replace(":", ".")
    runfolder.write_atomically(logs / name, msgspec.json.encode(tried))
    return [_sample(info, attempt) for attempt in tried]


def _failed(channel: str, sender: str, receiver: str, why: str) -> Attempt:
    return Attempt(channel=channel, sender=sender, receiver=receiver, symbol_s=0, rate=0, error=why)


def _sample(info: RunInfo, attempt: Attempt) -> Sample:
    found = capacity(attempt)
    return sample(
        info,
        attempt.sender,
        metrics.CHANNELS,
        attempt.channel,
        unit=Unit.BITS_PER_SECOND,
        value=None if found is None else found.bits_per_s,
        detail=said(attempt),
        error=None if found is not None else attempt.error or "no bits were compared",
        dimensions={"receiver": attempt.receiver},
    )


def said(attempt: Attempt) -> str:
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
