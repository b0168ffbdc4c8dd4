"""A report as data: everything that every format shows."""

from __future__ import annotations

from typing import Any

import msgspec

from benchmarks.results.records import Resources, SandboxInfo
from reports.isolation_model import (
    AblationRow,
    AccountRow,
    ChannelRow,
    OrdealRow,
    SurfaceRow,
    SweptSandbox,
)
from reports.model import (
    ControlPlaneRow,
    Failure,
    Judgement,
    Meanwhile,
    NumberRow,
    Reproduction,
    WordRow,
)


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
