"""What a covert channel is, and what came of trying it."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

import msgspec


class Band(StrEnum):
    """How a capacity is judged (DoD 5200.28-STD, section 8, for covert channels)."""

    HIGH = "high"
    """Above 100 bit/s."""
    AUDITABLE = "auditable"
    """0.1 to 100 bit/s."""
    IGNORABLE = "ignorable"
    """Below 0.1 bit/s."""


HIGH_BITS_PER_S, LOW_BITS_PER_S = 100.0, 0.1


class Channel(NamedTuple):
    """One channel, with the timetable it is tried by.

    Attributes:
        name: Its name.
        title: What carries.
        slot_s: Length of a slot in seconds. A slot is one symbol of a parallel channel; two make a
            bit of a serial one, which is sent in Manchester code: busy then idle is a one.
        width: Bits of a symbol.
        looks: Looks of the receiver in a slot; below 1, one look at that part of it.
        cumulative: Whether the receiver reads a counter, whose growth counts.
        published: Published capacities in bit/s, lowest and highest, or None.
    """

    name: str
    title: str
    slot_s: float
    width: int = 1
    looks: float = 6
    cumulative: bool = False
    published: tuple[float, float] | None = None

    @property
    def symbol_s(self) -> float:
        """Seconds that one symbol takes."""
        return self.slot_s if self.width > 1 else 2 * self.slot_s

    @property
    def rate(self) -> float:
        """Bits sent in a second."""
        return self.width / self.symbol_s


PUBLISHED_IN = "Gao et al., IEEE TDSC 18 (2021) 174"

CHANNELS = (
    Channel("locks", "locks of open files in /proc/locks", 0.008, 48, 0.7, published=(5e3, 22e3)),
    Channel("meminfo", "AnonPages in /proc/meminfo", 0.04, published=(9.0, 14.0)),
    Channel("pressure", "waiting time in /proc/pressure/cpu", 0.05, cumulative=True),
    Channel("page-cache", "pages of a shared lower layer in memory", 0.04, 32, 0.5),
    Channel("forks", "processes made, in /proc/stat", 0.02, cumulative=True),
    Channel("dentries", "directory entries in dentry-state", 0.015, cumulative=True),
    Channel("inodes", "inodes in use in inode-nr", 0.015),
    Channel("cpu", "time on the same CPU", 0.04),
)


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """One channel tried between two instances.

    Attributes:
        channel: Its name.
        sender: The sandbox that acts.
        receiver: The sandbox that looks.
        symbol_s: Seconds a symbol.
        rate: Bits sent in a second.
        bits: Bits that were compared, the preamble not among them.
        wrong: How many of them were received wrong.
        busy: Share of the CPUs' time the host was busy with anything during the transmission.
        offset_s: How far the two clocks were apart, as the preamble showed.
        closed: Why an end could not play its role: its source is kept from it; None otherwise.
        error: Why the attempt failed; None otherwise.
    """

    channel: str
    sender: str
    receiver: str
    symbol_s: float
    rate: float
    bits: int = 0
    wrong: int = 0
    busy: float | None = None
    offset_s: float = 0.0
    closed: str | None = None
    error: str | None = None


class Capacity(NamedTuple):
    """What an attempt says of a channel.

    Attributes:
        bits_per_s: Capacity R (1 - H2(p)) at the share p of wrong bits.
        low: Its lower 95 % bound.
        high: Its upper 95 % bound.
        carries: Whether anything arrived: whether it is better than a coin, tested at 0.1 %.
        band: Its band; of the upper bound where it carries nothing that was seen.
    """

    bits_per_s: float
    low: float
    high: float
    carries: bool
    band: Band
