"""What a probe is, what it reads, and what comes of it.

A probe is a value: what to read (by the agent's readers), how to decide, what a VM should show.
Adding one is one more value in a table of this package. A verdict says what the sandbox got to
see of the *host*; it does not say how dangerous that is.
"""

from __future__ import annotations

from collections.abc import Callable  # msgspec resolves the annotations
from enum import StrEnum
from typing import Any

import msgspec


class Verdict(StrEnum):
    """What became of one thing the host has and the sandbox asked for.

    The first four keep the host to itself. ``shared-constant`` is the same unchanging text on
    both sides which an unrelated kernel shows too (or which there was no unrelated kernel to
    compare with, then the evidence says so). ``shared-live`` is the host's own: it changes with
    the host, identifies it, or is a power over its kernel.
    """

    MASKED = "masked"
    DENIED = "denied"
    ABSENT = "absent"
    NAMESPACED = "namespaced"
    SHARED_CONSTANT = "shared-constant"
    SHARED_LIVE = "shared-live"


KEPT = frozenset({Verdict.MASKED, Verdict.DENIED, Verdict.ABSENT, Verdict.NAMESPACED})
"""Verdicts under which nothing of the host was seen."""


class Kind(StrEnum):
    """What a leak of this probe is good for, mildest first."""

    CONSTANT = "constant"
    """Configuration that many hosts share."""
    ACTIVITY = "activity"
    """What the host and its other guests are doing; a base for covert channels."""
    IDENTITY = "identity"
    """Tells this host from every other, so that co-residence can be confirmed."""
    OBJECTS = "objects"
    """Another's processes, sockets, memory, keys or mounts."""
    POWER = "power"
    """A right that the host's kernel would honour."""


type Want = tuple[Any, ...]
"""(key, reader of the agent, arguments …)"""

type Decide = Callable[["Case"], "Judgement"]


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """What one side read: the agent's document.

    Attributes:
        format: Version of the document.
        values: Key to what was found, or to ``errno`` or ``error``.
        attempts: Control to ``[word, value]``; empty on the host, where nothing is attempted.
        took_ns: Time the agent took, nanoseconds of its own clock.
    """

    format: int
    values: dict[str, dict[str, Any]]
    attempts: dict[str, tuple[str, Any]] = {}
    took_ns: int = 0


class Examination(msgspec.Struct, frozen=True, kw_only=True):
    """Three readings, taken in this order, and what was planted meanwhile.

    Attributes:
        before: The host before the sandbox.
        sandbox: The sandbox; None where its agent could not be run or not be understood.
        after: The host after the sandbox.
        markers: What the host had planted: kind of object to the mark it bears.
        error: Why there is no reading of the sandbox.
    """

    before: Reading
    sandbox: Reading | None
    after: Reading
    markers: dict[str, str] = {}
    error: str | None = None


class Judgement(msgspec.Struct, frozen=True):
    """A verdict and a sentence's worth of what it rests on."""

    verdict: Verdict
    evidence: str


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """What one probe found; a probe that broke has an error and no verdict.

    Attributes:
        probe: Identifier of the probe.
        verdict: The verdict, or None.
        evidence: ``host: …; sandbox: …``.
        error: Why there is no verdict, or None.
    """

    probe: str
    verdict: Verdict | None
    evidence: str
    error: str | None = None

    @property
    def kept(self) -> bool:
        """Whether the host was kept to itself; an error is never that."""
        return self.verdict in KEPT


class Probe(msgspec.Struct, frozen=True, kw_only=True):
    """One thing to look at.

    Attributes:
        id: Identifier, used as a metric's name.
        title: What it is, for tables.
        kind: What a leak is good for.
        wants: What to read; the first is the probe's main reading, whose refusal decides.
        decide: Makes the judgement from readings that succeeded.
        vm: Verdicts a VM is expected to show.
        about: What is read and how it is decided, for ``--explain``.
        view: Reduces a text to the part that is compared, or None for all of it.
    """

    id: str
    title: str
    kind: Kind
    wants: tuple[Want, ...]
    decide: Decide
    vm: frozenset[Verdict]
    about: str
    view: Callable[[str], str] | None = None


class UnreadableError(Exception):
    """A probe's readings do not allow a verdict; the message says why."""


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """What a probe decides on.

    Attributes:
        probe: The probe.
        before: The host's values before.
        sandbox: The sandbox's values.
        after: The host's values after.
        third: Values of an unrelated kernel, or None.
        markers: What the host had planted.
        own_kernel: Whether the sandbox runs on another kernel than the host's.
    """

    probe: Probe
    before: dict[str, dict[str, Any]]
    sandbox: dict[str, dict[str, Any]]
    after: dict[str, dict[str, Any]]
    third: dict[str, dict[str, Any]] | None
    markers: dict[str, str]
    own_kernel: bool

    def get(self, side: str, index: int = 0) -> dict[str, Any]:
        """Return one side's reading of the probe's n-th want.

        Raises:
            UnreadableError: That side has no such reading, or it broke.
        """
        key = self.probe.wants[index][0]
        values = getattr(self, side)
        if values is None or key not in values:
            raise UnreadableError(f"there is no reading of {key} on the {side} side")
        found: dict[str, Any] = values[key]
        if "error" in found:
            raise UnreadableError(f"reading {key} on the {side} side broke: {found['error']}")
        if self.probe.view is not None and "text" in found:
            return {**found, "text": self.probe.view(found["text"])}
        return found
