"""Covert channels: capacities with their intervals, published ones beside them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from benchmarks.experiments.covert_channels import CHANNELS, capacity, read_attempts, said
from benchmarks.results.records import Unit
from reports import units
from reports.isolation_model import ChannelRow

if TYPE_CHECKING:
    from benchmarks.results.runfolder import Run
    from reports.document_model import Document


class ChannelCell(NamedTuple):
    """One cell: the capacity, its interval below, and how it is judged."""

    value: str
    small: str
    band: str
    admissible: bool


class ChannelTable(NamedTuple):
    """Channels down, pairs of sandboxes across."""

    pairs: tuple[str, ...]
    rows: list[tuple[str, str, str, list[ChannelCell]]]


def channels(run: Run) -> tuple[ChannelRow, ...]:
    """Return every attempt of a run.

    Raises:
        RunFolderError: A file of evidence in the run folder is damaged.
    """
    known = {channel.name: channel for channel in CHANNELS}
    emulated = {box.name for box in run.info.sandboxes if not box.admissible_cpu}
    rows = []
    for one in read_attempts(run.path / "logs"):
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
                said=said(one),
                published=known[one.channel].published,
                admissible=emulated.isdisjoint((one.sender, one.receiver)),
            ),
        )
    return tuple(rows)


def table(report: Document) -> ChannelTable:
    """Return the report's channels as a table."""
    pairs = list(dict.fromkeys((row.sender, row.receiver) for row in report.channels))
    found = {(row.channel, row.sender, row.receiver): row for row in report.channels}
    tried = dict.fromkeys(row.channel for row in report.channels)
    known = [channel for channel in CHANNELS if channel.name in tried]
    return ChannelTable(
        tuple(f"{sender} → {receiver}" for sender, receiver in pairs),
        [
            (
                channel.name,
                channel.title,
                _published(channel.published),
                [_cell(found.get((channel.name, *pair))) for pair in pairs],
            )
            for channel in known
        ],
    )


def _cell(row: ChannelRow | None) -> ChannelCell:
    if row is None:
        return ChannelCell(units.MISSING, "", "", admissible=True)
    if row.bits_per_s is None or row.low is None or row.high is None:
        return ChannelCell("failed", row.said, "", admissible=True)
    if row.said.startswith("closed"):
        return ChannelCell("closed", row.said.partition(": ")[2], "kept", admissible=True)
    if not row.carries:
        bound = units.quantity(row.high, Unit.BITS_PER_SECOND)
        return ChannelCell("nothing", f"below {bound}", "kept", row.admissible)
    return ChannelCell(
        units.quantity(row.bits_per_s, Unit.BITS_PER_SECOND),
        f"{_range(row.low, row.high, row.bits_per_s)}; {row.band}",
        "leak",
        row.admissible,
    )


def _range(low: float, high: float, like: float) -> str:
    """Return two ends in the unit in which ``like`` is shown."""
    factor = units.scale(like, Unit.BITS_PER_SECOND).factor
    return " to ".join(units.digits(end / factor) for end in (low, high))


def _published(published: tuple[float, float] | None) -> str:
    if published is None:
        return units.MISSING
    low, high = published
    factor = units.scale(high, Unit.BITS_PER_SECOND).factor
    return f"{units.digits(low / factor)} to {units.quantity(high, Unit.BITS_PER_SECOND)}"
