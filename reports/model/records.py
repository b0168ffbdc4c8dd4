"""Record what a report counts and judges, in base units and frozen.

``reports.renderers.units`` converts when formatting.
"""

from enum import StrEnum
from typing import Self

import msgspec

from benchmarks.results.records import Direction, Status, Unit
from benchmarks.stats.estimators import Interval

REPORT_SCHEMA_VERSION = 1


class Verdict(StrEnum):
    """What a run says of a claim."""

    SUPPORTED = "supported"
    SUPPORTED_BOUND = "supported (bound)"
    EQUIVALENT = "equivalent"
    REFUTED = "refuted"
    INCONCLUSIVE = "inconclusive"
    NOT_TESTABLE = "not testable here"


class Estimate(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A median or a ratio with its interval.

    Attributes:
        low: Lower end; None where n is too small for an interval.
        estimate: The median or ratio; None where there is none.
        high: Upper end, or None.
        n: Number of values or pairs it rests on.
        confidence: Confidence of the interval.
        unsure: Whether successive values depend on each other so much that the interval may be too
            narrow, however much it was widened.
    """

    low: float | None
    estimate: float | None
    high: float | None
    n: int
    confidence: float
    unsure: bool = False

    @classmethod
    def of(cls, interval: Interval) -> Self:
        """Convert what the statistics return."""
        return cls(
            low=interval.low,
            estimate=interval.estimate,
            high=interval.high,
            n=interval.n,
            confidence=interval.confidence,
            unsure=interval.unsure,
        )


class NumberRow(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
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
        median: Median and its interval over blocks, of which each is one value.
        minimum: Smallest value.
        maximum: Largest value.
        to_native: Ratio to native, block by block; None for native itself.
        admissible: False where emulation makes the number meaningless for ranking.
        within: Relative standard deviation of one repetition within a block; None where a block
            repeats nothing.
        between: Relative standard deviation between blocks beyond that, or None.
        repetitions: Repetitions that a block's value is the median of; 0 for none.
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
    within: float | None = None
    between: float | None = None
    repetitions: int = 0


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


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """Samples that gave nothing, counted by their reason."""

    sandbox: str
    workload: str
    metric: str
    status: Status
    detail: str
    count: int


class HostState(msgspec.Struct, frozen=True, kw_only=True):
    """What the host did during the visits of a run, one figure of it."""

    median: float
    most: float
