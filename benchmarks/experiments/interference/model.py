"""What came of an aggressor beside a victim, and of an aggressor beside the accounts."""

from __future__ import annotations

import msgspec

AGGRESSORS = ("cpu", "memory", "fork", "disk", "net-send", "net-receive")
"""The six of Matthews et al., Quantifying the performance isolation properties of virtualization
systems (ExpCS 2007)."""

VICTIMS = ("cpu", "memory", "disk", "net")


class Ordeal(msgspec.Struct, frozen=True, kw_only=True):
    """One victim beside one aggressor, in two instances of one sandbox with equal limits.

    Attributes:
        sandbox: Name of the sandbox.
        victim: What the victim does.
        aggressor: What the aggressor does.
        pairs: Pieces of work a second in a quiet slot and in the disturbed one next to it.
        busy: Share of the CPUs' time the host was busy meanwhile, with anything.
        error: Why there are no pairs.
    """

    sandbox: str
    victim: str
    aggressor: str
    pairs: tuple[tuple[float, float], ...] = ()
    busy: float | None = None
    error: str | None = None


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """What an aggressor alone was charged, and what the host's kernel did besides.

    Attributes:
        sandbox: Name of the sandbox.
        aggressor: What the aggressor does.
        charged_s: CPU seconds charged to the instance, in each round; None where nobody counts.
        uncharged_s: CPU seconds of kernel threads and interrupts in the same rounds, less what
            they took in a quiet round of the same length just before: charged to no group.
        round_s: Length of a round, seconds.
        error: Why there are none.
    """

    sandbox: str
    aggressor: str
    charged_s: tuple[float | None, ...] = ()
    uncharged_s: tuple[float, ...] = ()
    round_s: float = 0.0
    error: str | None = None


class Interference(msgspec.Struct, frozen=True, kw_only=True):
    """Everything tried with one sandbox."""

    ordeals: tuple[Ordeal, ...] = ()
    accounts: tuple[Account, ...] = ()
