"""Hold a report as data: what every format shows."""

from typing import Any

import msgspec

from benchmarks.results.records import Resources, SandboxInfo
from reports.model.content import Shown
from reports.model.records import Failure, HostState, Judgement, NumberRow, WordRow


class Document(msgspec.Struct, frozen=True, kw_only=True):
    """A whole report; each section adds its records as further fields.

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
        tools: Versions of programs and libraries; None where one could not be read.
        warnings: Sentences that must stand before any number.
        caveats: Sentences to know before using the numbers.
        claims: A verdict on every claim.
        numbers: Every metric of every sandbox.
        words: Every probe, control and digest of every sandbox.
        failures: Samples that gave nothing.
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
    tools: dict[str, str | None]
    warnings: tuple[str, ...]
    caveats: tuple[str, ...]
    claims: tuple[Judgement, ...]
    numbers: tuple[NumberRow, ...]
    words: tuple[WordRow, ...]
    failures: tuple[Failure, ...]
    meanwhile: dict[str, HostState] = {}
    dead_share: float | None = None


class Report(msgspec.Struct, frozen=True):
    """A report, ready to be rendered.

    Attributes:
        document: All its records: the JSON form is these.
        sections: What each section shows, in order.
    """

    document: Document
    sections: tuple[Shown, ...]
