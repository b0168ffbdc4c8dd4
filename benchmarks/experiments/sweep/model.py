"""What a sweep holds: two readings of each side, what followed what, and the verdict per file."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from benchmarks.experiments.probes.model import UnreadableError, Verdict

FORMAT = 1


class Trait(StrEnum):
    """What a file of the host's own is good for (Gao et al., ContainerLeaks, DSN 2017, 3.4)."""

    UNIQUE = "unique"
    """It does not change and an unrelated kernel reads something else: it tells hosts apart."""
    VARYING = "varying"
    """It changes by itself: two that see the same course of it are on one host."""
    CONTROLLABLE = "controllable"
    """What the sandbox does moves it: it can carry messages."""


class UnreadableSweepError(UnreadableError):
    """What the sweep's agent printed is not a reading of the files asked for."""


class Response(msgspec.Struct, frozen=True, kw_only=True):
    """How the two sides of a file answered while somebody held something.

    Attributes:
        act: What was held: ``allocate``, ``lock``, ``fork`` or ``open``.
        host: Number of the host's numbers that moved.
        sandbox: Number of those that moved alike in the sandbox.
        unmoved: Number of those that did not move there at all.
        example: Movement of one of them, ``host +120, sandbox +119``.
    """

    act: str
    host: int
    sandbox: int
    unmoved: int
    example: str

    @property
    def follows(self) -> bool:
        """Whether the sandbox reads the host's file: most of what moved there moved here too."""
        return 2 * self.sandbox >= self.host

    @property
    def still(self) -> bool:
        """Whether nothing moved in the sandbox, so that it reads another file."""
        return self.unmoved == self.host


type Quartet = tuple[str, str, str, str]
"""Readings of one file: host, sandbox, host, sandbox."""


class Sweep(msgspec.Struct, frozen=True, kw_only=True):
    """Everything one sandbox's sweep read; verdicts are made of it afterwards.

    A reading of a file is one text: ``T`` and what was read, ``E`` and the error's name, ``N``
    where /dev/null lies over it, or ``X`` and why the reading broke.

    Attributes:
        format: Version of this record.
        paths: The host's files, those it could not read itself left out.
        host: The host's first and second reading, in the order of ``paths``.
        sandbox: The sandbox's first and second; taken host, sandbox, host, sandbox.
        again: Files in which this saw a change, and more such readings of them, closer together.
        masks: What the sandbox has mounted below /proc and /sys: path to file system type.
        own_kernel: Whether the sandbox runs on a kernel of its own.
        responses: Path to how it answered while the *host* held something.
        influence: Path to the acts of the *sandbox* that moved the host's file.
        bits: Path to what one reading tells, in bits, for files that change by themselves.
        unreadable: Files the host could not read either, with the reason; no verdict.
        took_s: Wall time, in seconds.
        error: Why there is no reading of the sandbox.
    """

    format: int = FORMAT
    paths: tuple[str, ...] = ()
    host: tuple[tuple[str, ...], tuple[str, ...]] = ((), ())
    sandbox: tuple[tuple[str, ...], tuple[str, ...]] = ((), ())
    again: dict[str, tuple[Quartet, ...]] = {}
    masks: dict[str, str] = {}
    own_kernel: bool = False
    responses: dict[str, tuple[Response, ...]] = {}
    influence: dict[str, tuple[str, ...]] = {}
    bits: dict[str, float] = {}
    unreadable: dict[str, str] = {}
    took_s: float = 0.0
    error: str | None = None


class FileFinding(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The verdict on one file.

    Attributes:
        path: The file.
        verdict: The verdict; None where reading it broke, which is never safe.
        evidence: What each side read, shortened, and what decided.
        error: Why there is no verdict.
        traits: What it is good for, where it is the host's own.
        follows: Acts of the host that the sandbox saw in it.
        bits: What one reading tells, in bits; a lower bound, None where it was not estimated.
        unconfirmed: For a constant: there was no unrelated kernel with such a file.
    """

    path: str
    verdict: Verdict | None
    evidence: str
    error: str | None = None
    traits: tuple[Trait, ...] = ()
    follows: tuple[str, ...] = ()
    bits: float | None = None
    unconfirmed: bool = False
