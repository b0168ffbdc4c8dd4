"""Show covert channels: capacities with their intervals, published ones beside them."""

from collections.abc import Iterator

import msgspec

from benchmarks.experiments.covert_channels import (
    CHANNELS,
    PUBLISHED_IN,
    capacity,
    describe,
    read_attempts,
)
from benchmarks.results import metrics
from benchmarks.results.records import Status, Unit
from benchmarks.results.runfolder import Run
from reports.model.content import MISSING, Cell, Content, Fold, Table, Tone, columns, failed, said
from reports.model.rundata import RunData
from reports.renderers import units
from reports.sections.base import Reading, Section

_INTRO = (
    "A seeded sequence of bits, sent from an instance of one sandbox to an instance of another by "
    "means that neither is meant to have. The capacity is R·(1 \N{MINUS SIGN} H₂(p)) at the "
    "symbol time tried; a faster one may carry more. Its interval is exact for independent bits. "
    "Above 100 bit/s is high, from 0.1 bit/s on auditable. Where nothing arrived, the bound says "
    "what could have."
)
_CLOSED = "closed"


class ChannelRow(msgspec.Struct, frozen=True, kw_only=True):
    """One covert channel tried from one sandbox to another.

    Attributes:
        channel: Its name.
        title: What carries.
        sender: The sandbox that acted.
        receiver: The sandbox that looked.
        bits_per_s: Capacity; 0 where nothing arrived; None where the attempt failed.
        low: Its lower 95 % bound.
        high: Its upper 95 % bound.
        carries: Whether anything arrived.
        band: ``high``, ``auditable`` or ``ignorable``; None where the attempt failed.
        said: The same as a sentence, with bits, errors, symbol time and load.
        published: Published capacities in bit/s, lowest and highest.
        admissible: False where the CPU of an end is emulated.
    """

    channel: str
    title: str
    sender: str
    receiver: str
    bits_per_s: float | None
    low: float | None
    high: float | None
    carries: bool
    band: str | None
    said: str
    published: tuple[float, float] | None
    admissible: bool


def build(data: RunData) -> Content:
    """Show channels down and pairs of sandboxes across, and folded every attempt."""
    rows = channels(data)
    if not rows:
        return Content(records={"channels": rows})
    caption = "Capacity and 95 % interval, from the first sandbox to the second"
    if not all(row.admissible for row in rows):
        caption += ". † an end's CPU is emulated"
    pairs = list(dict.fromkeys((row.sender, row.receiver) for row in rows))
    found = {(row.channel, row.sender, row.receiver): row for row in rows}
    tried = {row.channel for row in rows}
    table = Table(
        caption,
        columns(
            "Channel", "Published#", *(f"{sender} → {receiver}#" for sender, receiver in pairs)
        ),
        tuple(
            (
                Cell(channel.name, channel.title),
                _published(channel.published),
                *(_cell(found.get((channel.name, *pair))) for pair in pairs),
            )
            for channel in CHANNELS
            if channel.name in tried
        ),
    )
    attempts = Table(
        "Every attempt",
        columns("Channel", "From", "To", "Result~"),
        tuple((row.channel, row.sender, row.receiver, row.said) for row in rows),
        titled=False,
    )
    return Content(
        blocks=(
            said(_INTRO),
            table,
            said(f"Published: {PUBLISHED_IN}, on other hosts and kernels.", muted=True),
            Fold("Every attempt: bits, errors, symbol time and load", (attempts,)),
        ),
        records={"channels": rows},
    )


def channels(data: RunData) -> tuple[ChannelRow, ...]:
    """Return every attempt of a run.

    Raises:
        RunFolderError: A file of evidence in the run folder is damaged.
    """
    known = {channel.name: channel for channel in CHANNELS}
    emulated = {box.name for box in data.info.sandboxes if not box.admissible_cpu}
    rows = []
    for one in read_attempts(data.run.path / "logs"):
        found = capacity(one)
        rows.append(
            ChannelRow(
                channel=one.channel,
                title=known[one.channel].title,
                sender=one.sender,
                receiver=one.receiver,
                bits_per_s=None if found is None else found.bits_per_s,
                low=None if found is None else found.low,
                high=None if found is None else found.high,
                carries=found is not None and found.carries,
                band=None if found is None else found.band.value,
                said=describe(one),
                published=known[one.channel].published,
                admissible=emulated.isdisjoint((one.sender, one.receiver)),
            )
        )
    return tuple(rows)


def _cell(row: ChannelRow | None) -> Cell:
    if row is None:
        return Cell(MISSING)
    if row.bits_per_s is None or row.low is None or row.high is None:
        return failed(row.said)
    if row.said.startswith(_CLOSED):
        return Cell(_CLOSED, row.said.partition(": ")[2], Tone.GOOD)
    if not row.carries:
        bound = units.quantity(row.high, Unit.BITS_PER_SECOND)
        return Cell("nothing", f"below {bound}", Tone.GOOD, row.admissible)
    factor = units.scale(row.bits_per_s, Unit.BITS_PER_SECOND).factor
    ends = " to ".join(units.digits(end / factor) for end in (row.low, row.high))
    shown = units.quantity(row.bits_per_s, Unit.BITS_PER_SECOND)
    return Cell(shown, f"{ends}; {row.band}", Tone.BAD, row.admissible)


def _published(published: tuple[float, float] | None) -> str:
    if published is None:
        return MISSING
    low, high = published
    factor = units.scale(high, Unit.BITS_PER_SECOND).factor
    return f"{units.digits(low / factor)} to {units.quantity(high, Unit.BITS_PER_SECOND)}"


def _read(run: Run) -> Iterator[Reading]:
    """Return every attempt; ``open`` is a channel that carries."""
    for one in read_attempts(run.path / "logs"):
        found = capacity(one)
        yield Reading(
            f"{one.sender}→{one.receiver}",
            metrics.CHANNELS,
            one.channel,
            None if found is None else ("open" if found.carries else "held"),
            Status.FAILED if found is None else Status.OK,
            describe(one),
            {
                "bits_per_s": None if found is None else found.bits_per_s,
                "low_bits_per_s": None if found is None else found.low,
                "high_bits_per_s": None if found is None else found.high,
                "band": None if found is None else found.band.value,
                "bits": one.bits,
                "wrong": one.wrong,
                "symbol_s": one.symbol_s,
                "busy": one.busy,
            },
        )


SECTION = Section(
    name="channels",
    title="Covert channels",
    place=130,
    build=build,
    records={"channels": tuple[ChannelRow, ...]},
    workloads=(metrics.CHANNELS,),
    read=_read,
    explains=lambda: {one.name: f"{one.title}; {one.rate:g} bit/s are sent" for one in CHANNELS},
)
