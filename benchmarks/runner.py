"""Carries a campaign out: opens the sandboxes, visits them block by block, journals as it goes."""

from __future__ import annotations

import os
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Protocol

import msgspec

from benchmarks import harness, metrics, probing, runfolder, schedule, workloads
from benchmarks.campaign import BUILT_IN, Campaign
from benchmarks.errors import RunFolderError, UnsuitableHostError
from benchmarks.journal import JournalWriter, Visit
from benchmarks.records import SCHEMA_VERSION, Resources, RunInfo, Sample, Status
from benchmarks.sandboxes import open_sandbox
from benchmarks.sandboxes.base import Setting
from benchmarks.visit import Plan, visit

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from benchmarks.image import Image
    from benchmarks.sandboxes.base import Sandbox
    from benchmarks.schedule import Stop
    from benchmarks.workloads import Workload

_HEADLINE = (metrics.STARTUP, "startup_main_s")
_START = "start"
_GIVE_UP_AFTER = 2
"""Visits that may fail to start one after the other before a sandbox is left alone."""


class Observer(Protocol):
    """Is told how a campaign goes; never called between a start and its stop."""

    def opened(self, sandboxes: Sequence[str], absent: Mapping[str, str]) -> None:
        """Say which sandboxes are measured and which could not be had."""

    def visiting(self, block: int, sandbox: str, remaining_s: float) -> None:
        """Say which visit begins, and the estimated time left in seconds."""

    def visited(self, samples: Sequence[Sample]) -> None:
        """Show the samples of the visit that ended."""

    def stopped(self, stop: Stop) -> None:
        """Say why the campaign ended."""


def choose_resources(campaign: Campaign) -> Resources:
    """Return the CPUs and memory that every sandbox gets alike.

    Raises:
        UnsuitableHostError: The host has fewer CPUs than asked for, or not those named.
    """
    allowed = sorted(os.sched_getaffinity(0))
    if campaign.cpus > len(allowed):
        raise UnsuitableHostError(
            f"the campaign wants {campaign.cpus} CPUs, this host allows {len(allowed)}; "
            "lower cpus in the campaign",
        )
    chosen = campaign.cpuset or tuple(allowed[-campaign.cpus :])
    missing = sorted(set(chosen) - set(allowed))
    if missing:
        raise UnsuitableHostError(
            f"CPU {missing[0]} of the campaign's cpuset is not allowed here; "
            f"allowed are {', '.join(map(str, allowed))}",
        )
    enforced = {
        "native": "CPU affinity and the memory cgroup of the process that starts it",
        "container": "CPU affinity, CFS quota and memory limit of its own cgroup, pids limit",
        "vm": "number of vCPUs, pinned to the same CPUs, and size of guest RAM",
        "fake": "not at all: nothing runs",
    }
    kinds = dict.fromkeys(name.partition(":")[0] for name in campaign.sandboxes)
    return Resources(
        cpus=campaign.cpus,
        cpuset=tuple(sorted(chosen)),
        memory_bytes=campaign.memory_mib << 20,
        enforced={kind: enforced[kind] for kind in kinds},
    )


def run(
    campaign: Campaign,
    out: Path,
    *,
    image: Image | None,
    state: Path,
    tare_version: str,
    observer: Observer,
    resume: bool = False,
) -> Stop:
    """Measure a campaign into a run folder.

    Args:
        campaign: What to measure.
        out: The run folder, new unless ``resume``.
        image: The image that real sandboxes use.
        state: Folder for what a crash would leave behind, and for the host-wide lock.
        tare_version: Recorded in the run.
        observer: Told how it goes.
        resume: Continue the run in ``out``: only visits that are missing are made.

    Returns:
        Why the campaign ended.

    Raises:
        RunLockedError: Another campaign is running on this host.
        UnsuitableHostError: No sandbox of the campaign can be had here.
        RunFolderError: The folder cannot be written, or does not fit what is resumed.
    """
    holder = f"process {os.getpid()}, run folder {out.absolute()}"
    with ExitStack() as stack:
        stack.enter_context(runfolder.campaign_lock(state / "campaign.lock", holder))
        previous = runfolder.load(out) if resume else None
        if previous is None:
            _refuse_used_folder(out)
        setting = _setting(campaign, out, image, state)
        opened, absent = _open_all(stack, campaign, setting)
        observer.opened(list(opened), absent)
        if previous is None:
            info = _describe(campaign, setting, opened, absent, tare_version)
            runfolder.create(out, info)
        else:
            info = previous.info
            _check_same(info, campaign, setting, opened, out)
        journal = stack.enter_context(JournalWriter(out / "samples.jsonl"))
        progress = _Progress(info, previous)
        runner = _Runner(
            campaign=campaign,
            info=info,
            opened=opened,
            journal=journal,
            observer=observer,
            progress=progress,
            logs=out / "logs",
        )
        return runner.run()


class _Progress:
    """What has been measured, with just what the schedule needs kept in memory."""

    def __init__(self, info: RunInfo, previous: runfolder.Run | None) -> None:
        self.done: set[tuple[int, str, str]] = set()
        self.elapsed_s = 0.0
        self.seconds: dict[str, list[float]] = {box.name: [] for box in info.sandboxes}
        self.starts: dict[str, list[float]] = {box.name: [] for box in info.sandboxes}
        self.failures: dict[str, int] = dict.fromkeys(self.seconds, 0)
        if previous is not None:
            by_visit: dict[tuple[int, str], list[Sample]] = {}
            for sample in previous.samples:
                by_visit.setdefault((sample.block, sample.sandbox), []).append(sample)
            for entry in previous.visits:
                self.add(entry, by_visit.get((entry.block, entry.sandbox), []))

    def add(self, entry: Visit, samples: Sequence[Sample]) -> None:
        """Take a closed visit into account."""
        self.done.add((entry.block, entry.sandbox, entry.part))
        if entry.part != _START:
            return
        self.elapsed_s += entry.seconds
        self.seconds[entry.sandbox].append(entry.seconds)
        headline = [s for s in samples if (s.workload, s.metric) == _HEADLINE]
        if any(sample.status is not Status.OK for sample in headline):
            self.failures[entry.sandbox] += 1
        else:
            self.failures[entry.sandbox] = 0
            self.starts[entry.sandbox] += [s.value for s in headline if s.value is not None]

    def given_up(self, sandbox: str) -> bool:
        """Tell whether a sandbox has failed so often that it is left alone."""
        return self.failures[sandbox] >= _GIVE_UP_AFTER

    def block_seconds(self) -> float:
        """Estimate the wall time of one block from the median visit of each sandbox."""
        return sum(
            sorted(seconds)[len(seconds) // 2]
            for name, seconds in self.seconds.items()
            if seconds and not self.given_up(name)
        )


class _Runner:
    def __init__(
        self,
        *,
        campaign: Campaign,
        info: RunInfo,
        opened: Mapping[str, Sandbox],
        journal: JournalWriter,
        observer: Observer,
        progress: _Progress,
        logs: Path,
    ) -> None:
        self._campaign = campaign
        self._info = info
        self._opened = opened
        self._journal = journal
        self._observer = observer
        self._progress = progress
        self._workloads: list[Workload] = workloads.load_all(
            [name for name in campaign.workloads if name not in BUILT_IN],
        )
        self._probing = probing.Probing(campaign, logs)

    def run(self) -> Stop:
        block = 0
        while True:
            for position, name in enumerate(self._order(block)):
                done = (block, name, _START) in self._progress.done
                if not done and not self._progress.given_up(name):
                    self._visit(block, position, name)
            if block == 0:
                self._judge_probes()
            block += 1
            stop = self._enough(block)
            if stop is not None:
                self._observer.stopped(stop)
                return stop

    def _order(self, block: int) -> list[str]:
        return schedule.order(self._info.seed, block, list(self._opened))

    def _enough(self, blocks: int) -> Stop | None:
        alive = [name for name in self._opened if not self._progress.given_up(name)]
        if not alive:
            return schedule.Stop("failures", dict.fromkeys(self._opened))
        return schedule.enough(
            self._campaign,
            blocks=blocks,
            elapsed_s=self._progress.elapsed_s,
            next_block_s=self._progress.block_seconds(),
            starts={name: self._progress.starts[name] for name in alive},
        )

    def _visit(self, block: int, position: int, name: str) -> None:
        left = max(self._campaign.budget_s - self._progress.elapsed_s, 0.0)
        self._observer.visiting(block, name, left)
        plan = Plan(
            run=self._info.run,
            seed=self._info.seed,
            block=block,
            position=position,
            resources=self._info.resources,
            startup=metrics.STARTUP in self._campaign.workloads,
            memory=metrics.MEMORY in self._campaign.workloads,
            workloads=self._workloads,
            settle_s=self._campaign.settle_s,
            last_act=self._probing.reader(name) if block == 0 else None,
        )
        began = time.monotonic()
        with harness.watch() as watched:
            samples = visit(self._opened[name], plan)
        if watched.flags:
            samples = [msgspec.structs.replace(s, flags=watched.flags) for s in samples]
        self._close(samples, block, name, time.monotonic() - began)

    def _judge_probes(self) -> None:
        """Add the probes' verdicts of every sandbox, which need the readings of all of them."""
        for name in self._opened:
            if (0, name, probing.PART) in self._progress.done:
                continue
            samples = self._probing.samples(self._info, name, list(self._opened))
            if samples:
                self._close(samples, 0, name, 0.0, part=probing.PART)

    def _close(
        self,
        samples: Sequence[Sample],
        block: int,
        name: str,
        seconds: float,
        *,
        part: str = _START,
    ) -> None:
        entry = Visit(block=block, sandbox=name, samples=len(samples), seconds=seconds, part=part)
        self._journal.append(samples, entry)
        self._progress.add(entry, samples)
        self._observer.visited(samples)


def _setting(campaign: Campaign, out: Path, image: Image | None, state: Path) -> Setting:
    logs = out / "logs"
    try:
        logs.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunFolderError(f"cannot create the run folder {out}: {error.strerror}") from error
    return Setting(
        resources=choose_resources(campaign),
        image_root=image.root if image is not None else None,
        image=image,
        state=state,
        logs=logs,
        seed=campaign.seed,
    )


def _open_all(
    stack: ExitStack,
    campaign: Campaign,
    setting: Setting,
) -> tuple[dict[str, Sandbox], dict[str, str]]:
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


def _describe(
    campaign: Campaign,
    setting: Setting,
    opened: Mapping[str, Sandbox],
    absent: Mapping[str, str],
    tare_version: str,
) -> RunInfo:
    now = time.time()
    loaded = workloads.load_all([name for name in campaign.workloads if name not in BUILT_IN])
    return RunInfo(
        schema=SCHEMA_VERSION,
        run=f"{campaign.name}-{time.strftime('%Y%m%dT%H%M%S', time.gmtime(now))}-{os.getpid()}",
        created_at=now,
        tare_version=tare_version,
        campaign=msgspec.to_builtins(campaign),
        seed=campaign.seed,
        host=harness.host_fingerprint(),
        image=harness.image_summary(setting.image),
        resources=setting.resources,
        sandboxes=tuple(sandbox.info for sandbox in opened.values()),
        absent=dict(absent),
        metrics=(
            *(info for info in metrics.catalogue() if info.workload in campaign.workloads),
            *(info for workload in loaded for info in workload.metrics()),
            *probing.metric_infos(campaign),
        ),
        harness=harness.perturbation(opened),
        tools=harness.tool_versions(),
    )


def _refuse_used_folder(out: Path) -> None:
    if (out / "run.json").exists():
        raise RunFolderError(
            f"{out} already holds a run; give another --out, or continue it with --resume",
        )


def _check_same(
    info: RunInfo,
    campaign: Campaign,
    setting: Setting,
    opened: Mapping[str, Sandbox],
    out: Path,
) -> None:
    if msgspec.convert(info.campaign, Campaign) != campaign:
        raise RunFolderError(f"{out} holds another campaign; resume it without other options")
    if info.resources.cpuset != setting.resources.cpuset:
        raise RunFolderError(
            f"{out} was measured on the CPUs {info.resources.cpuset}, but now "
            f"{setting.resources.cpuset} would be used; resume it with the same affinity",
        )
    image = harness.image_summary(setting.image)
    if (info.image or {}).get("digest") != (image or {}).get("digest"):
        raise RunFolderError(
            f"{out} was measured with another image; build or keep that image, or start a new run",
        )
    before = [box.name for box in info.sandboxes]
    if before != list(opened):
        raise RunFolderError(
            f"{out} was measured with the sandboxes {', '.join(before)}, but now "
            f"{', '.join(opened)} can be had; start a new run",
        )
