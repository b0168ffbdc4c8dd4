"""Opens a campaign: its resources, its sandboxes, and the description that its run begins with."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import msgspec

from benchmarks import workloads
from benchmarks.campaign.config import BUILT_IN, Campaign
from benchmarks.errors import RunFolderError, UnsuitableHostError
from benchmarks.experiments import probing
from benchmarks.host import processors
from benchmarks.results import metrics
from benchmarks.results.records import (
    SCHEMA_VERSION,
    Resources,
    RunInfo,
    SandboxInfo,
    same_image,
)
from benchmarks.sandboxes import find, make_testbed, open_sandbox
from benchmarks.sandboxes.base import Setting
from benchmarks.session import overhead

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from contextlib import ExitStack
    from pathlib import Path

    from benchmarks.image import Image
    from benchmarks.sandboxes.base import Sandbox, Testbed
    from benchmarks.workloads import Workload


def choose_resources(campaign: Campaign) -> Resources:
    """Return the CPUs and memory that every sandbox gets alike.

    Raises:
        UnsuitableHostError: The host has fewer CPUs than asked for, or not those named.
    """
    return Resources(
        cpus=campaign.cpus,
        cpuset=processors.select(campaign.cpus, campaign.cpuset),
        memory_bytes=campaign.memory_mib << 20,
        enforced={name: find(name).enforcement(name) for name in campaign.sandboxes},
    )


def setting(campaign: Campaign, out: Path, image: Image | None, state: Path) -> Setting:
    """Return what the sandboxes are given, and make the folder of the run's logs.

    Raises:
        UnsuitableHostError: As for ``choose_resources``.
        RunFolderError: The folder cannot be made.
    """
    logs, resources = out / "logs", choose_resources(campaign)
    try:
        logs.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunFolderError(f"cannot create the run folder {out}: {error.strerror}") from error
    return Setting(
        resources=resources,
        image_root=image.root if image is not None else None,
        image=image,
        state=state,
        logs=logs,
        seed=campaign.seed,
        libvirt_uri=campaign.libvirt_uri or None,
        commands=_commands(campaign, resources),
    )


def _commands(campaign: Campaign, resources: Resources) -> tuple[tuple[str, ...], ...]:
    """Return what the campaign's workloads call, but for those that ask a server."""
    loaded = workloads.load_all([name for name in campaign.workloads if name not in BUILT_IN])
    return tuple(tuple(one.args(resources)) for one in loaded if one.server is None)


def open_all(
    stack: ExitStack,
    campaign: Campaign,
    setting: Setting,
) -> tuple[dict[str, Sandbox], dict[str, str]]:
    """Open the campaign's sandboxes on ``stack``; return those opened, and why others are absent.

    Raises:
        UnsuitableHostError: Not one can be had here.
    """
    opened: dict[str, Sandbox] = {}
    absent: dict[str, str] = {}
    for name in campaign.sandboxes:
        try:
            opened[name] = stack.enter_context(open_sandbox(name, setting))
        except UnsuitableHostError as error:
            absent[name] = str(error)
    if not opened:
        reasons = "; ".join(dict.fromkeys(absent.values()))
        raise UnsuitableHostError(f"none of the campaign's sandboxes can be had here: {reasons}")
    return opened, absent


def networked(loaded: Sequence[Workload]) -> list[Workload]:
    """Return the workloads whose server is in another place than they are."""
    return [workload for workload in loaded if workload.server is not None]


def testbed(
    stack: ExitStack,
    loaded: Sequence[Workload],
    opened: Mapping[str, Sandbox],
    setting: Setting,
) -> tuple[Testbed | None, str]:
    """Make the network of a campaign's network workloads, on ``stack``; none where there are none.

    Returns:
        It, and why it is not there although a workload wants it.
    """
    if not networked(loaded):
        return None, ""
    try:
        return stack.enter_context(make_testbed(opened, setting)), ""
    except UnsuitableHostError as error:
        return None, str(error)


def describe(
    campaign: Campaign,
    setting: Setting,
    opened: Mapping[str, Sandbox],
    absent: Mapping[str, str],
    tare_version: str,
) -> RunInfo:
    """Return the description a new run begins with; measures what the harness itself adds."""
    now = time.time()
    loaded = workloads.load_all([name for name in campaign.workloads if name not in BUILT_IN])
    return RunInfo(
        schema=SCHEMA_VERSION,
        run=f"{campaign.name}-{time.strftime('%Y%m%dT%H%M%S', time.gmtime(now))}-{os.getpid()}",
        created_at=now,
        tare_version=tare_version,
        campaign=msgspec.to_builtins(campaign),
        seed=campaign.seed,
        host=overhead.host_fingerprint(),
        image=overhead.image_summary(setting.image),
        resources=setting.resources,
        sandboxes=tuple(_described(sandbox.info, loaded) for sandbox in opened.values()),
        absent=dict(absent),
        metrics=(
            *(info for info in metrics.catalogue() if info.workload in campaign.workloads),
            *(info for workload in loaded for info in workload.metrics()),
            *(
                info
                for workload in loaded
                if workload.neighbour is None
                for info in metrics.accounts(workload.name, workload.title)
            ),
            *probing.metric_infos(campaign),
        ),
        harness=overhead.perturbation(opened, setting.resources.cpuset),
        tools=overhead.tool_versions(),
    )


def _described(info: SandboxInfo, loaded: Sequence[Workload]) -> SandboxInfo:
    """Add how a sandbox is connected, where a workload wants it to be."""
    how = find(info.name).network
    if not networked(loaded) or how is None:
        return info
    return msgspec.structs.replace(info, details={**info.details, "network": how})


def refuse_used_folder(out: Path) -> None:
    """Keep a new run from writing into an old one.

    Raises:
        RunFolderError: The folder holds a run.
    """
    if (out / "run.json").exists():
        raise RunFolderError(
            f"{out} already holds a run; give another --out, or continue it with --resume",
        )


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
    if msgspec.convert(info.campaign, Campaign) != campaign:
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
