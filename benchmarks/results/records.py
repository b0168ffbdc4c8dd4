"""The records a campaign leaves: samples, and the description of the run they belong to.

Everything here is frozen and typed; a missing value is ``None`` and a failure is a status, so no
default can ever be mistaken for a measurement.
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Annotated, Any

import msgspec

SCHEMA_VERSION = 1

type Whole = Annotated[int, msgspec.Meta(ge=0, lt=2**31)]
type Moment = Annotated[float, msgspec.Meta(ge=0, lt=253402300800)]
"""Seconds since the epoch, before the year 10000, at which calendars end (``datetime.MAXYEAR``)."""
type Seconds = Annotated[float, msgspec.Meta(ge=0)]


UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What decoding raises for data that is not what it should be."""


def said(error: Exception) -> str:
    """Return why data cannot be used, where msgspec has its own notation for the place."""
    if isinstance(error, UnicodeDecodeError):
        return "it is not UTF-8"
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    match = re.fullmatch(r"(.*) - at `(?:key in )?\$\.?(.+)`", str(error), re.DOTALL)
    return f"{match[2]}: {match[1]}" if match else str(error)


class Status(StrEnum):
    """What became of one measurement."""

    OK = "ok"
    FAILED = "failed"
    TIMEOUT = "timeout"
    OUT_OF_MEMORY = "out-of-memory"
    UNSUPPORTED = "unsupported"

    @property
    def failure(self) -> bool:
        """Whether a value was tried for in vain."""
        return self not in {Status.OK, Status.UNSUPPORTED}


class Unit(StrEnum):
    """Units a value can have; conversion happens only when formatting."""

    SECONDS = "s"
    BYTES = "bytes"
    COUNT = "count"
    PER_SECOND = "1/s"
    SECONDS_PER_EVENT = "s/event"
    SECONDS_PER_SECOND = "s/s"
    BITS_PER_SECOND = "bit/s"
    RATIO = "ratio"
    WORD = "word"


class Direction(StrEnum):
    """Which way a metric is better."""

    LOWER = "lower"
    HIGHER = "higher"
    NEITHER = "neither"


class Sample(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One metric of one visit to one sandbox.

    It never points back to itself, so the garbage collector need not look at a million of them.

    Attributes:
        run: Identifier of the run.
        block: Number of the block, from 0; the block is the unit of pairing, and what a sandbox
            repeats within it (dimension ``repetition``) is one value there: its median.
        sandbox: Name of the sandbox, for example ``container``.
        workload: Name of the workload, for example ``sysbench-cpu``.
        metric: Name of the metric with its unit as suffix, for example ``startup_main_s``.
        unit: Unit of ``value``; ``word`` where the result is ``text``.
        status: What became of the measurement.
        value: The number, or None where there is none.
        text: The word, for verdicts and digests, or None.
        started_at: Start of the measurement, seconds since the epoch.
        detail: A failure's sentence, or a probe's evidence.
        dimensions: What else tells this sample from others (vcpus, fault, order in the block ...).
        flags: What disturbed the measurement, for example ``steal``; flagged is not dropped.
    """

    run: str
    block: Whole
    sandbox: str
    workload: str
    metric: str
    unit: Unit
    status: Status
    started_at: Moment
    value: float | None = None
    text: str | None = None
    detail: str | None = None
    dimensions: dict[str, str] = {}
    flags: tuple[str, ...] = ()


class Resources(msgspec.Struct, frozen=True, kw_only=True):
    """What every sandbox of a campaign is given alike.

    Attributes:
        cpus: Number of CPUs (vCPUs in a guest).
        cpuset: Host CPUs the instance may run on, ascending.
        memory_bytes: Memory limit (a guest's RAM).
        enforced: Sandbox name to a sentence saying how the limits are enforced there.
    """

    cpus: int
    cpuset: tuple[int, ...]
    memory_bytes: int
    enforced: dict[str, str] = {}


class SandboxInfo(msgspec.Struct, frozen=True, kw_only=True):
    """What a run says of one of its sandboxes.

    Attributes:
        name: Name as used in samples.
        kind: ``native``, ``container``, ``vm``, ``oci``, ``podman``, ``docker``, ``peer``,
            ``floor`` or ``fake``.
        profile: Profile of the runtime or driver, for example ``default`` or ``tuned``.
        admissible_cpu: False where a software-emulated CPU makes speeds meaningless.
        accelerator: ``kvm``, ``tcg`` or None where there is no guest.
        boundaries: The start boundaries this sandbox has, in order.
        caveats: Sentences a reader must know before using the numbers.
        details: Domain XML, argv, namespaces, kernel release and the like.
    """

    name: str
    kind: str
    profile: str
    admissible_cpu: bool = True
    accelerator: str | None = None
    boundaries: tuple[str, ...] = ()
    caveats: tuple[str, ...] = ()
    details: dict[str, Any] = {}


class MetricInfo(msgspec.Struct, frozen=True, kw_only=True):
    """What a run says of one of its metrics, so that a report needs no table of its own."""

    workload: str
    metric: str
    unit: Unit
    direction: Direction
    title: str


class RunInfo(msgspec.Struct, frozen=True, kw_only=True):
    """The content of ``run.json``: everything needed to read the samples.

    Attributes:
        schema: Version of this layout.
        run: Identifier of the run.
        created_at: Seconds since the epoch.
        tare_version: Version of tare that wrote it.
        campaign: The resolved campaign, as plain data.
        seed: Seed of the order and of every resampling.
        host: Fingerprint of the host: ``benchmarks.host.fingerprint()`` as plain data.
        image: Digest and contents of the image; None for the fake sandbox.
        resources: What every sandbox was given.
        sandboxes: The sandboxes measured, in the campaign's order.
        absent: Sandboxes asked for and not there: name to the reason.
        metrics: Every metric the run may contain.
        harness: What the harness itself adds: clock resolution, null command and so on.
        tools: Versions of the programs used; None where one could not be read.
        definitions: Workload to the digest of what its file says.
        commit: Commit of what was measured, where who measured it said so.
    """

    schema: int
    run: str
    created_at: Moment
    tare_version: str
    campaign: dict[str, Any]
    seed: Annotated[int, msgspec.Meta(ge=0)]
    host: dict[str, Any]
    image: dict[str, Any] | None
    resources: Resources
    sandboxes: tuple[SandboxInfo, ...]
    absent: dict[str, str] = {}
    metrics: tuple[MetricInfo, ...] = ()
    harness: dict[str, float] = {}
    tools: dict[str, str | None] = {}
    definitions: dict[str, str] = {}
    commit: str | None = None


def same_image(one: dict[str, Any] | None, two: dict[str, Any] | None) -> bool:
    """Tell whether two runs had the same image, its kernel included.

    A run of before the kernel had a digest says its release alone.
    """
    left, right = one or {}, two or {}
    key = "kernel_digest" if left.get("kernel_digest") and right.get("kernel_digest") else None
    keys = ("digest", key or "kernel_release")
    return all(left.get(one) == right.get(one) for one in keys)
