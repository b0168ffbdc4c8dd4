"""Covert channels between two instances: bit error rate and capacity, with their intervals.

``attempts`` sends a seeded sequence of bits from one instance to another by means neither is
meant to have, and compares what arrives; ``capacity`` says what that is worth.
"""

from benchmarks.experiments.covert_channels.capacity import capacity
from benchmarks.experiments.covert_channels.experiment import (
    ATTEMPTS,
    CovertChannels,
    describe,
    read_attempts,
)
from benchmarks.experiments.covert_channels.model import (
    CHANNELS,
    PUBLISHED_IN,
    Attempt,
    Band,
    Capacity,
    Channel,
)
from benchmarks.experiments.covert_channels.transmit import End, attempts, end

__all__ = [
    "ATTEMPTS",
    "CHANNELS",
    "PUBLISHED_IN",
    "Attempt",
    "Band",
    "Capacity",
    "Channel",
    "CovertChannels",
    "End",
    "attempts",
    "capacity",
    "describe",
    "end",
    "read_attempts",
]
