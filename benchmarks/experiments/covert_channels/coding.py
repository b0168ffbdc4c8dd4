"""Bits to levels, and looks back to bits.

A message is a preamble, known to both ends, and a payload. The preamble only tells how far the
clocks are apart; the payload alone is compared. Where two looks say nothing a coin is tossed, so
that a dead channel is wrong in half of its bits and not in none.
"""

from __future__ import annotations

import math
import random
from bisect import bisect_left, bisect_right
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.experiments.covert_channels.model import Channel

PREAMBLE_BITS = 16
PREAMBLE_SYMBOLS = 4
_STEPS = 8
"""Offsets tried in a slot."""
_SETTLED = 0.35
"""Part of a slot after which a gauge shows what happened in it."""


class Message(NamedTuple):
    """Bits in the order they are sent."""

    preamble: tuple[int, ...]
    payload: tuple[int, ...]


class Received(NamedTuple):
    """What the receiver made of it: bits of the payload, and the offset of the clocks, seconds."""

    payload: tuple[int, ...]
    offset_s: float


class Look(NamedTuple):
    """When the receiver looked, by its own clock, and what it saw."""

    at: float
    value: float


def message(channel: Channel, bits: int, seed: str) -> Message:
    """Draw a message; the same seed gives the same one.

    The payload has as many ones as zeros, each lane of a parallel channel for itself: a receiver
    that sees nothing and always says the same is then wrong in exactly half of its bits.

    Args:
        channel: The channel.
        bits: Bits of the payload; made an even number of symbols.
        seed: Of the drawing.
    """
    drawn = random.Random(f"{seed}/{channel.name}")  # noqa: S311  # not cryptography
    head = PREAMBLE_SYMBOLS * channel.width if channel.width > 1 else PREAMBLE_BITS
    preamble = tuple(drawn.getrandbits(1) for _ in range(head))
    half = -(-bits // (2 * channel.width))
    lanes: list[list[int]] = []
    for _ in range(channel.width):
        lane = [0] * half + [1] * half
        drawn.shuffle(lane)
        lanes.append(lane)
    return Message(preamble, tuple(bit for symbol in zip(*lanes, strict=True) for bit in symbol))


def levels(channel: Channel, sent: Message) -> list[int]:
    """Return what the sender does in each slot."""
    bits = (*sent.preamble, *sent.payload)
    if channel.width == 1:
        return [level for bit in bits for level in (bit, 1 - bit)]
    return [
        sum(bit << place for place, bit in enumerate(bits[begin : begin + channel.width]))
        for begin in range(0, len(bits), channel.width)
    ]


def decode(
    channel: Channel, sent: Message, looks: Sequence[Look], start: float, slack_s: float
) -> Received:
    """Find the preamble near its place and read the payload behind it.

    Args:
        channel: The channel.
        sent: What was sent; of the payload only the length is used.
        looks: What was seen, in order.
        start: When the first slot began if both clocks agree, by the receiver's.
        slack_s: How far they may be apart, seconds.
    """
    if channel.width > 1:
        return _decode_parallel(channel, sent, looks, start, slack_s)
    step = channel.slot_s / _STEPS
    reach = int(slack_s / step)
    series = _Series(looks, cumulative=channel.cumulative)
    offsets = sorted((step * n for n in range(-reach, reach + 1)), key=abs)
    best = max(
        offsets,
        key=lambda offset: _likeness(channel, sent.preamble, series, start + offset),
    )
    first = start + best + len(sent.preamble) * channel.symbol_s
    coin = random.Random(start)  # noqa: S311  # not cryptography
    payload = []
    for place in range(len(sent.payload)):
        leaning = _leaning(channel, series, first + place * channel.symbol_s)
        payload.append(coin.getrandbits(1) if leaning == 0 else int(leaning > 0))
    return Received(tuple(payload), best)


class _Series:
    """A course of looks that can be asked for any stretch of time."""

    def __init__(self, looks: Sequence[Look], *, cumulative: bool) -> None:
        self._times = [look.at for look in looks]
        self._values = [look.value for look in looks]
        self._cumulative = cumulative

    def level(self, begin: float, end: float) -> float:
        """Return how high it stood, or by how much it grew, between two moments."""
        if not self._times:
            return 0.0
        if self._cumulative:
            return self._at(end) - self._at(begin)
        settled = begin + _SETTLED * (end - begin)
        one, two = bisect_left(self._times, settled), bisect_right(self._times, end)
        if one < two:
            return sum(self._values[one:two]) / (two - one)
        return self._values[min(one, len(self._values) - 1)]

    def _at(self, moment: float) -> float:
        place = bisect_left(self._times, moment)
        if place == 0:
            return self._values[0]
        if place == len(self._times):
            return self._values[-1]
        before, after = self._times[place - 1], self._times[place]
        share = (moment - before) / (after - before) if after > before else 1.0
        low, high = self._values[place - 1], self._values[place]
        return low + share * (high - low)


def _leaning(channel: Channel, series: _Series, begin: float) -> float:
    """Return how much higher the first slot of a bit stands than the second."""
    middle, end = begin + channel.slot_s, begin + 2 * channel.slot_s
    return series.level(begin, middle) - series.level(middle, end)


def _likeness(channel: Channel, bits: Sequence[int], series: _Series, start: float) -> float:
    """Correlate what was seen with the preamble, 1 where they are alike."""
    leanings = [
        _leaning(channel, series, start + place * channel.symbol_s) for place in range(len(bits))
    ]
    size = math.sqrt(sum(leaning * leaning for leaning in leanings))
    if size == 0:
        return 0.0
    agreeing = sum(
        leaning if bit else -leaning for leaning, bit in zip(leanings, bits, strict=True)
    )
    return agreeing / (size * math.sqrt(len(bits)))


def _decode_parallel(
    channel: Channel, sent: Message, looks: Sequence[Look], start: float, slack_s: float
) -> Received:
    """Each look is a symbol; find by how many slots the preamble is shifted."""
    symbols: dict[int, int] = {}
    for look in looks:
        symbols.setdefault(int((look.at - start) // channel.slot_s), int(look.value))
    reach = math.ceil(slack_s / channel.slot_s)
    shifts = sorted(range(-reach, reach + 1), key=abs)
    head = levels(channel, Message(sent.preamble, ()))

    def distance(shift: int) -> int:
        found = [symbols.get(place + shift) for place in range(len(head))]
        return sum(
            channel.width if mask is None else (mask ^ wanted).bit_count()
            for mask, wanted in zip(found, head, strict=True)
        )

    best = min(shifts, key=distance)
    coin = random.Random(start)  # noqa: S311  # not cryptography
    payload: list[int] = []
    for place in range(len(sent.payload) // channel.width):
        mask = symbols.get(len(head) + place + best)
        if mask is None:
            mask = coin.getrandbits(channel.width)
        payload += [mask >> bit & 1 for bit in range(channel.width)]
    return Received(tuple(payload), best * channel.slot_s)
