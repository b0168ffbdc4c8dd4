"""What a run says of itself in run.json, and whether a resumed run is still the same."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import msgspec

from benchmarks import workloads
from benchmarks.campaign import config
from benchmarks.errors import RunFolderError
from benchmarks.results.records import SCHEMA_VERSION, RunInfo, SandboxInfo, same_image
from benchmarks.session import overhead
from benchmarks.session.resources import choose_resources

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from benchmarks.campaign.config import Campaign
    from benchmarks.experiments.base import Experiment
    from benchmarks.sandboxes.base import Sandbox, Setting


def begun(
    campaign: Campaign, image: str | None, tare_version: str, commit: str | None = None
) -> RunInfo:
    """Return the description of a run before its image is there and its sandboxes are open.

    Args:
        campaign: What is to be measured.
        image: The image asked for by name or digest; None for the one of this host's sources.
        tare_version: Recorded in the run.
        commit: Likewise: the commit of what is measured, where it is known.

    Raises:
        UnsuitableHostError: The host has fewer CPUs than asked for, or not those named.
    """
    now = time.time()
    return RunInfo(
        schema=SCHEMA_VERSION,
        run=_identifier(campaign, now),
        created_at=now,
        tare_version=tare_version,
        campaign=config.plain(campaign),
        seed=campaign.seed,
        host={},
        image=None if image is None else {"asked": image},
        resources=choose_resources(campaign),
        sandboxes=(),
        commit=commit,
    )


def _identifier(campaign: Campaign, now: float) -> str:
    return f"{campaign.name}-{time.strftime('%Y%m%dT%H%M%S', time.gmtime(now))}-{os.getpid()}"


def describe(
    campaign: Campaign,
    *,
    experiments: Sequence[Experiment],
    setting: Setting,
    opened: Mapping[str, Sandbox],
    absent: Mapping[str, str],
    tare_version: str,
    commit: str | None = None,
) -> RunInfo:
    """Return the description a new run begins with; measures what the harness itself adds."""
    now = time.time()
    return RunInfo(
        schema=SCHEMA_VERSION,
        run=_identifier(campaign, now),
        created_at=now,
        tare_version=tare_version,
        campaign=config.plain(campaign),
        seed=campaign.seed,
        host=overhead.host_fingerprint(),
        image=overhead.image_summary(setting.image),
        resources=setting.resources,
        sandboxes=tuple(_described(sandbox.info, experiments) for sandbox in opened.values()),
        absent=dict(absent),
        metrics=tuple(info for one in experiments for info in one.metrics()),
        harness=overhead.perturbation(opened, setting.resources.cpuset),
        tools=overhead.tool_versions(),
        definitions=workloads.digests(campaign.workloads),
        commit=commit,
    )


def _described(info: SandboxInfo, experiments: Sequence[Experiment]) -> SandboxInfo:
    """Add what the experiments have to say of a sandbox."""
    more = {key: said for one in experiments for key, said in one.details(info).items()}
    return msgspec.structs.replace(info, details={**info.details, **more}) if more else info


def check_same(
    info: RunInfo,
    campaign: Campaign,
    setting: Setting,
    opened: Mapping[str, Sandbox],
    out: Path,
) -> None:
    """Keep a resumed run from mixing two different measurements.

    Raises:
        RunFolderError: Campaign, CPUs, image or sandboxes are not those of the run.
    """
    if config.convert(info.campaign) != campaign:
        raise RunFolderError(f"{out} holds another campaign; resume it without other options")
    if info.resources.cpuset != setting.resources.cpuset:
        raise RunFolderError(
            f"{out} was measured on the CPUs {info.resources.cpuset}, but now "
            f"{setting.resources.cpuset} would be used; resume it with the same affinity",
        )
    image = overhead.image_summary(setting.image)
    if not same_image(info.image, image):
        raise RunFolderError(
            f"{out} was measured with another image; build or keep that image, or start a new run",
        )
    before = [box.name for box in info.sandboxes]
    if before != list(opened):
        raise RunFolderError(
            f"{out} was measured with the sandboxes {', '.join(before)}, but now "
            f"{', '.join(opened)} can be had; start a new run",
        )
