"""Rows of what a report says of isolation: sweep, surface, channels, interference, ablation."""

from __future__ import annotations

import msgspec

from benchmarks.results.records import Status
from reports.model import Estimate


class SweptGroup(msgspec.Struct, frozen=True, kw_only=True):
    """Files of a sweep whose paths differ in their numbers only, and of which the same was found.

    Attributes:
        pattern: Their path, each number as N.
        files: How many they are.
        path: One of them; the rest of the record is about it.
        verdict: ``shared-live``, or ``error``.
        traits: ``unique``, ``varying``, ``controllable``.
        follows: What the host held while this file moved in the sandbox.
        bits: What one reading tells, in bits; a lower bound, None where it was not estimated.
        evidence: What each side read, and what decided.
    """

    pattern: str
    files: int
    path: str
    verdict: str
    traits: tuple[str, ...]
    follows: tuple[str, ...]
    bits: float | None
    evidence: str


class SweptChange(msgspec.Struct, frozen=True, kw_only=True):
    """Files that have another verdict than in the container the run compares with."""

    pattern: str
    files: int
    base: str
    new: str


class SweptSandbox(msgspec.Struct, frozen=True, kw_only=True):
    """What the sweep of /proc and /sys found in one sandbox.

    Attributes:
        sandbox: Its name.
        totals: Metric to count, for example ``files_shared_live``.
        error: Why there are no totals.
        exposed: The host's own files and those whose reading broke, with evidence.
        base: The container with which ``changes`` compares; None where it does not.
        changes: Files with another verdict than there, most first.
    """

    sandbox: str
    totals: dict[str, int]
    error: str | None
    exposed: tuple[SweptGroup, ...]
    base: str | None
    changes: tuple[SweptChange, ...]


class SurfaceCell(msgspec.Struct, frozen=True, kw_only=True):
    """One count or word of one sandbox's attack surface.

    Attributes:
        sandbox: Its name.
        value: The count, or None.
        text: The word, or None.
        status: ``unsupported`` where there can be none.
        detail: What was counted, or why there is nothing.
    """

    sandbox: str
    value: float | None
    text: str | None
    status: Status
    detail: str


class SurfaceRow(msgspec.Struct, frozen=True, kw_only=True):
    """One count of the attack surface in every sandbox, found by one method."""

    metric: str
    title: str
    method: str
    cells: tuple[SurfaceCell, ...]


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


class OrdealRow(msgspec.Struct, frozen=True, kw_only=True):
    """A victim beside an aggressor, in two instances of one sandbox.

    Attributes:
        sandbox: Name of the sandbox.
        victim: What the victim does.
        aggressor: What the aggressor does.
        slowdown: How many times slower the victim is; None where the attempt failed.
        lost_per_s: How many pieces of work a second less it does.
        busy: Share of the CPUs' time that the host was busy.
        error: Why there is nothing.
        admissible: False where the sandbox's CPU is emulated.
    """

    sandbox: str
    victim: str
    aggressor: str
    slowdown: Estimate | None
    lost_per_s: Estimate | None
    busy: float | None
    error: str | None
    admissible: bool


class AccountRow(msgspec.Struct, frozen=True, kw_only=True):
    """What an aggressor alone was charged, and what the host's kernel did beside that.

    Attributes:
        sandbox: Name of the sandbox.
        aggressor: What the aggressor does.
        charged_s: CPU seconds charged in a round; None where nobody counts or it failed.
        uncharged_s: CPU seconds of kernel threads and interrupts beyond a quiet round's.
        round_s: Length of a round, seconds.
        error: Why there is nothing.
    """

    sandbox: str
    aggressor: str
    charged_s: Estimate | None
    uncharged_s: Estimate | None
    round_s: float
    error: str | None


class AblationRow(msgspec.Struct, frozen=True, kw_only=True):
    """One technology of the container: what opens without it, and what it costs.

    Attributes:
        technology: Its name.
        sandbox: The container without it.
        opened: Probes and controls that are exposed without it and not with it.
        closed: Those that are exposed with it and not without.
        compared: How many have a result on both sides.
        cost_s: Seconds that a start takes longer with it, block by block.
        cost_bytes: Bytes of memory that an idle instance takes more with it.
    """

    technology: str
    sandbox: str
    opened: tuple[str, ...]
    closed: tuple[str, ...]
    compared: int
    cost_s: Estimate | None
    cost_bytes: Estimate | None
