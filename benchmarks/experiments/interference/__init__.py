"""Interference: what an aggressor does to a victim in another instance, and to the accounts.

``ordeals`` sets six aggressors beside each victim, in two instances of one sandbox with equal
limits; ``accounts`` compares what each is charged with what the host's kernel does besides.
"""

from benchmarks.experiments.interference.experiment import (
    FOUND,
    SLOWDOWNS,
    UNCHARGED,
    NoisyInstances,
)
from benchmarks.experiments.interference.measure import accounts, ordeals
from benchmarks.experiments.interference.model import (
    AGGRESSORS,
    VICTIMS,
    Account,
    Interference,
    Ordeal,
)

__all__ = [
    "AGGRESSORS",
    "FOUND",
    "SLOWDOWNS",
    "UNCHARGED",
    "VICTIMS",
    "Account",
    "Interference",
    "NoisyInstances",
    "Ordeal",
    "accounts",
    "ordeals",
]
