"""What a report says, as frozen records: every renderer shows these, the JSON form is these.

Numbers keep their base units (seconds, bytes, 1/s); ``reports.units`` converts when formatting.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any

import msgspec

from benchmarks.records import Direction, Resources, SandboxInfo, Status, Unit

if TYPE_CHECKING:
    from benchmarks.statistics import Interval

REPORT_SCHEMA_VERSION = 1


class Verdict(StrEnum):
    """What a run says of a claim."""

    SUPPORTED = "supported"
    SUPPORTED_BOUND = "supported (bound)"
    EQUIVALENT = "equivalent"
    REFUTED = "refuted"
    INCONCLUSIVE = "inconclusive"
    NOT_TESTABLE = "not testable here"


class Estimate(msgspec.Struct, frozen=True, kw_only=True):
    """A median or a ratio with its interval.

    Attributes:
        low: Lower end; None where n is too small for an interval.
        estimate: The median or ratio; None where there is none.
        high: Upper end, or None.
        n: Number of values or pairs it rests on.
        confidence: Confidence of the interval.
    """

    low: float | None
    estimate: float | None
    high: float | None
    n: int
    confidence: float

    @classmethod
    def of(cls, interval: Interval) -> Estimate:
        """Convert what the statistics return."""
        return cls(
            low=interval.low,
            estimate=interval.estimate,
            high=interval.high,
            n=interval.n,
            confidence=interval.confidence,
        )


class NumberRow(msgspec.Struct, frozen=True, kw_only=True):
    """One metric of one sandbox, over all blocks.

    Attributes:
        sandbox: Name of the sandbox.
        workload: Name of the workload.
        metric: Name of the metric.
        title: The metric in words.
        unit: Unit of the numbers.
        direction: Which way is better.
        parameters: Dimensions that tell it from its neighbours.
        ok: Samples with a value.
        failed: Samples that failed or ran out of time.
        unsupported: Samples the sandbox could not give.
        flagged: Samples taken while something disturbed the host; they are among ``ok``.
        median: Median and its interval over blocks.
        minimum: Smallest value.
        maximum: Largest value.
        to_native: Ratio to native, block by block; None for native itself.
        admissible: False where emulation makes the number meaningless for ranking.
    """

    sandbox: str
    workload: str
    metric: str
    title: str
    unit: Unit
    direction: Direction
    parameters: dict[str, str]
    ok: int
    failed: int
    unsupported: int
    flagged: int
    median: Estimate
    minimum: float | None
    maximum: float | None
    to_native: Estimate | None
    admissible: bool


class WordRow(msgspec.Struct, frozen=True, kw_only=True):
    """One word of one sandbox: the verdict of a probe or control, or a digest.

    Attributes:
        sandbox: Name of the sandbox.
        workload: ``leaks``, ``controls`` or ``checksum``.
        metric: Identifier of the probe or control.
        title: It in words.
        words: The different words seen, most often one; empty where every sample failed.
        status: ``ok`` only where every sample is.
        detail: Evidence, or the failure's sentence.
    """

    sandbox: str
    workload: str
    metric: str
    title: str
    words: tuple[str, ...]
    status: Status
    detail: str


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """One observation a verdict rests on, or shows beside it.

    Attributes:
        observation: What was compared or looked at, in words.
        result: What came out, in words, numbers formatted.
        effect: The ratio with its interval, where there is one.
        decides: Whether the verdict rests on it; else it is shown for context.
        admissible: False where emulation makes it meaningless for ranking.
    """

    observation: str
    result: str
    effect: Estimate | None = None
    decides: bool = True
    admissible: bool = True


class Judgement(msgspec.Struct, frozen=True, kw_only=True):
    """A claim and what the run says of it.

    Attributes:
        id: The claim's identifier.
        title: The claim in a few words.
        statement: The claim in a sentence.
        margin: The margin and the decision it leads to, fixed before any run.
        verdict: The verdict.
        rule: The rule that led to it.
        reason: One sentence a reader needs to believe it.
        p: p-value after Holm's correction; None where nothing was tested statistically.
        evidence: What it rests on.
    """

    id: str
    title: str
    statement: str
    margin: str
    verdict: Verdict
    rule: str
    reason: str
    p: float | None = None
    evidence: tuple[Evidence, ...] = ()


class Reproduced(StrEnum):
    """What a run says of a published figure."""

    YES = "reproduced"
    NO = "not reproduced"
    INCONCLUSIVE = "inconclusive"
    NOT_TESTABLE = "not testable here"


class ReproducedRow(msgspec.Struct, frozen=True, kw_only=True):
    """A published figure and this run's beside it.

    Attributes:
        title: What was measured.
        system: Published system, and the one its ratio is to.
        sandbox: The sandbox that stands for it here, or None.
        figure: The figure as published.
        unit: Its unit.
        published: What is compared: the published ratio, or the figure in base units; None where
            the publication has no figure of its base.
        measured: The same of this run, with its interval; None where it was not measured.
        absolute: Whether figures are compared and not ratios.
        verdict: What came of it.
        reason: Why, in words.
        note: What is different here from what was published.
        boundary: Both ends of a published duration.
        unverified: The published figure was not read in the source itself.
    """

    title: str
    system: str
    sandbox: str | None
    figure: float
    unit: str
    published: float | None
    measured: Estimate | None
    absolute: bool
    verdict: Reproduced
    reason: str
    note: str
    boundary: str
    unverified: bool


class Reproduction(msgspec.Struct, frozen=True, kw_only=True):
    """A publication laid beside this run.

    Attributes:
        name: Its name in campaigns.
        title: Its title and year.
        source: Where the figures were read.
        host: What they were measured on.
        caveats: What to know before comparing.
        rule: The rule of every verdict, fixed before any run.
        rows: A row for every published figure that is not itself the base.
    """

    name: str
    title: str
    source: str
    host: str
    caveats: tuple[str, ...]
    rule: str
    rows: tuple[ReproducedRow, ...]


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """Samples that gave nothing, counted by their reason."""

    sandbox: str
    workload: str
    metric: str
    status: Status
    detail: str
    count: int


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


class Meanwhile(msgspec.Struct, frozen=True, kw_only=True):
    """What the host did during the visits of a run, one figure of it."""

    median: float
    most: float


class ControlPlaneRow(msgspec.Struct, frozen=True, kw_only=True):
    """What a container manager adds to the runtime that it drives, block by block.

    Attributes:
        manager: The sandbox with the manager.
        runtime: The sandbox that drives the same runtime directly.
        metric: What is compared.
        title: It in words.
        with_manager: Median with the manager.
        alone: Median of the runtime alone.
        added: Median of the differences, in seconds.
        times: Median of the ratios.
    """

    manager: str
    runtime: str
    metric: str
    title: str
    with_manager: Estimate
    alone: Estimate
    added: Estimate
    times: Estimate


class Document(msgspec.Struct, frozen=True, kw_only=True):
    """A whole report.

    Attributes:
        schema: Version of this layout.
        run: Identifier of the run.
        created_at: When the run began, seconds since the epoch.
        tare_version: Version of tare that measured.
        blocks: Blocks with at least one closed visit.
        samples: Samples in the journal.
        discarded: Journal lines of visits that never closed.
        seconds: Wall time of all visits together, in seconds.
        dead_share: Share of the campaign's wall time, from open sandboxes on, that went neither
            into preparing nor into measuring; None where the journal does not say.
        host: Fingerprint of the host.
        image: Digest and contents of the image, or None.
        resources: What every sandbox was given.
        sandboxes: The sandboxes measured.
        absent: Sandboxes that could not be had, and why.
        campaign: The resolved campaign.
        harness: What the harness itself adds, in seconds.
        tools: Versions of programs and libraries.
        warnings: Sentences that must stand before any number.
        caveats: Sentences to know before using the numbers.
        claims: A verdict on every claim.
        numbers: Every metric of every sandbox.
        words: Every probe, control and digest of every sandbox.
        failures: Samples that gave nothing.
        sweeps: What the sweep of /proc and /sys found.
        surface: The attack surface of every sandbox.
        reproduction: The publication that the campaign names, laid beside the run; else None.
        channels: Covert channels between each two sandboxes.
        ordeals: Victims beside aggressors.
        accounts: Aggressors beside the host's accounts.
        ablation: What each technology buys, and what it costs.
        control_planes: What container managers add to the runtimes they drive.
        meanwhile: Steal, pressure and load of the host during the visits.
    """

    schema: int
    run: str
    created_at: float
    tare_version: str
    blocks: int
    samples: int
    discarded: int
    seconds: float
    host: dict[str, Any]
    image: dict[str, Any] | None
    resources: Resources
    sandboxes: tuple[SandboxInfo, ...]
    absent: dict[str, str]
    campaign: dict[str, Any]
    harness: dict[str, float]
    tools: dict[str, str]
    warnings: tuple[str, ...]
    caveats: tuple[str, ...]
    claims: tuple[Judgement, ...]
    numbers: tuple[NumberRow, ...]
    words: tuple[WordRow, ...]
    failures: tuple[Failure, ...]
    sweeps: tuple[SweptSandbox, ...] = ()
    surface: tuple[SurfaceRow, ...] = ()
    reproduction: Reproduction | None = None
    channels: tuple[ChannelRow, ...] = ()
    ordeals: tuple[OrdealRow, ...] = ()
    accounts: tuple[AccountRow, ...] = ()
    ablation: tuple[AblationRow, ...] = ()
    control_planes: tuple[ControlPlaneRow, ...] = ()
    meanwhile: dict[str, Meanwhile] = {}
    dead_share: float | None = None
