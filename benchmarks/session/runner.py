"""Carries a campaign out: opens the sandboxes, visits them block by block, journals as it goes."""

from __future__ import annotations

import os
import time
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import msgspec
import psutil

from benchmarks import workloads
from benchmarks.campaign import schedule
from benchmarks.campaign.config import BUILT_IN
from benchmarks.errors import MeasurementError
from benchmarks.experiments import crowds, network, probing
from benchmarks.experiments.density import Ceiling
from benchmarks.host import caches, quiesce
from benchmarks.results import metrics, runfolder
from benchmarks.results.journal import JournalWriter, Visit
from benchmarks.sandboxes import find
from benchmarks.session import opening, overhead
from benchmarks.session.lacking import absences, lacking
from benchmarks.session.recorder import Plan
from benchmarks.session.tally import NETWORK, START, Tally
from benchmarks.session.visit import visit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from benchmarks.campaign.config import Campaign
    from benchmarks.campaign.schedule import Stop
    from benchmarks.image import Image
    from benchmarks.results.records import RunInfo, Sample
    from benchmarks.sandboxes.base import Sandbox, Testbed
    from benchmarks.session.observer import Observer
    from benchmarks.workloads import Workload


type Act = Callable[[Sandbox, Plan], list[Sample]]
"""A part of a block that starts instances of its own."""


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
            opening.refuse_used_folder(out)
        setting = opening.setting(campaign, out, image, state)
        opened, absent = opening.open_all(stack, campaign, setting)
        observer.opened(list(opened), absent)
        if previous is None:
            info = opening.describe(campaign, setting, opened, absent, tare_version)
            runfolder.create(out, info)
        else:
            info = previous.info
            opening.check_same(info, campaign, setting, opened, out)
        journal = stack.enter_context(JournalWriter(out / "samples.jsonl"))
        tally = Tally(info, previous)
        loaded = workloads.load_all([name for name in campaign.workloads if name not in BUILT_IN])
        runner = _Runner(
            campaign=campaign,
            loaded=loaded,
            lacking=lacking(campaign, loaded, setting.image_root),
            testbed=opening.testbed(stack, loaded, opened, setting),
            info=info,
            opened=opened,
            journal=journal,
            observer=observer,
            tally=tally,
            logs=out / "logs",
        )
        return runner.run()


class _Runner:
    def __init__(
        self,
        *,
        campaign: Campaign,
        loaded: Sequence[Workload],
        lacking: Mapping[str, str],
        testbed: tuple[Testbed | None, str],
        info: RunInfo,
        opened: Mapping[str, Sandbox],
        journal: JournalWriter,
        observer: Observer,
        tally: Tally,
        logs: Path,
    ) -> None:
        self._campaign = campaign
        self._info = info
        self._opened = opened
        self._journal = journal
        self._observer = observer
        self._tally = tally
        self._lacking = lacking
        present = [one for one in loaded if one.name not in lacking]
        self._networked = opening.networked(present)
        self._workloads = [one for one in present if one not in self._networked]
        self._testbed, self._no_testbed = testbed
        asked = [name for name in campaign.workloads if name not in lacking]
        self._probing = probing.Probing(asked, logs)
        standing = Ceiling(campaign.density_max, campaign.density_available)
        at_once = Ceiling(campaign.parallel_max, campaign.parallel_available)
        parts: dict[str, Act] = {
            metrics.DENSITY: lambda box, plan: crowds.crowd(box, plan, standing),
            metrics.PARALLEL: lambda box, plan: crowds.burst(box, plan, at_once),
        }
        self._more = {part: act for part, act in parts.items() if part in campaign.workloads}
        if self._networked:
            self._more[NETWORK] = self._connect
        self._closed_at = time.monotonic()
        self._worked_s = 0.0

    def run(self) -> Stop:
        if metrics.COLD in self._campaign.workloads:
            self._warm()  # a run that was killed may have been killed after a drop
        block = 0
        while True:
            for position, name in enumerate(self._order(block)):
                done = (block, name, START) in self._tally.done
                if not done and not self._tally.given_up(name):
                    self._visit(block, position, name)
                for part, act in self._more.items():
                    if self._wants(part, block, name):
                        self._start_more(part, act, block, position, name)
            if metrics.COLD in self._campaign.workloads:
                self._start_cold(block)
            if block == 0:
                self._judge_probes()
                self._act_together()
            block += 1
            stop = self._enough(block)
            if stop is not None:
                self._observer.stopped(stop)
                return stop

    @contextmanager
    def _at_work(self) -> Iterator[None]:
        """Count the time inside as preparing and measuring."""
        began = time.monotonic()
        yield
        self._worked_s += time.monotonic() - began

    def _order(self, block: int) -> list[str]:
        return schedule.order(self._info.seed, block, list(self._opened))

    def _enough(self, blocks: int) -> Stop | None:
        alive = [name for name in self._opened if not self._tally.given_up(name)]
        if not alive:
            return schedule.Stop("failures", dict.fromkeys(self._opened))
        return schedule.enough(
            self._campaign,
            blocks=blocks,
            elapsed_s=self._tally.elapsed_s,
            next_block_s=self._tally.block_seconds(),
            starts={name: self._tally.starts[name] for name in alive},
        )

    def _visit(self, block: int, position: int, name: str) -> None:
        left = max(self._campaign.budget_s - self._tally.elapsed_s, 0.0)
        self._observer.visiting(block, name, left)
        began = time.monotonic()
        unsettled = self._settle(name)
        with overhead.watch(self._info.resources.cpuset) as watched, self._at_work():
            plan = self._plan(block, position, name)
            samples = visit(self._opened[name], plan)
        samples = [*samples, *absences(self._info, plan, name, self._lacking)]
        watched.flags = (*unsettled, *watched.flags)
        self._close_watched(samples, watched, block, name, began, part=START)

    def _settle(self, name: str) -> tuple[str, ...]:
        """Wait until the host has come to rest; the flag of a visit for which it has not."""
        if find(name).isolation == "simulated":
            return ()  # its figures are drawn: no host disturbs them
        with self._at_work():
            return () if quiesce.settled(psutil.cpu_count() or 1) else ("unsettled",)

    def _plan(self, block: int, position: int, name: str) -> Plan:
        return Plan(
            run=self._info.run,
            seed=self._info.seed,
            block=block,
            position=position,
            resources=self._info.resources,
            startup=metrics.STARTUP in self._campaign.workloads,
            memory=metrics.MEMORY in self._campaign.workloads,
            workloads=self._workloads,
            settle_s=self._campaign.settle_s,
            idle_s=self._campaign.idle_s if metrics.IDLE in self._campaign.workloads else None,
            last_act=self._probing.reader(name) if block == 0 else None,
        )

    def _close_watched(
        self,
        samples: Sequence[Sample],
        watched: overhead.Watched,
        block: int,
        name: str,
        began: float,
        *,
        part: str,
    ) -> None:
        if watched.flags:
            samples = [
                msgspec.structs.replace(s, flags=(*s.flags, *watched.flags)) for s in samples
            ]
        took = time.monotonic() - began
        self._close(samples, block, name, took, part=part, meanwhile=watched.meanwhile)

    def _wants(self, part: str, block: int, name: str) -> bool:
        done = (block, name, part) in self._tally.done
        return not done and not self._tally.given_up(name)

    def _start_cold(self, block: int) -> None:
        """Start each with the host's caches dropped, after all that has to be warm in the block."""
        wanted = [
            (position, name)
            for position, name in enumerate(self._order(block))
            if self._wants(metrics.COLD, block, name)
        ]
        for position, name in wanted:
            with self._at_work():
                refusal = caches.drop()
            act = partial(crowds.cold_start, refusal=refusal)
            self._start_more(metrics.COLD, act, block, position, name)
        if wanted:
            self._warm()

    def _warm(self) -> None:
        """Start each once, unmeasured: what a drop took from the caches is read again."""
        for name, sandbox in self._opened.items():
            if not self._tally.given_up(name):
                # a failure meets the next visit again, and is recorded there
                with self._at_work(), suppress(MeasurementError), sandbox.start():
                    pass

    def _start_more(self, part: str, act: Act, block: int, position: int, name: str) -> None:
        """Start instances in a part of its own: nothing else runs meanwhile."""
        began = time.monotonic()
        unsettled = self._settle(name)
        with overhead.watch(self._info.resources.cpuset) as watched, self._at_work():
            samples = act(self._opened[name], self._plan(block, position, name))
        watched.flags = (*unsettled, *watched.flags)
        self._close_watched(samples, watched, block, name, began, part=part)

    def _connect(self, sandbox: Sandbox, plan: Plan) -> list[Sample]:
        """Run what asks a server in another place: no start that is measured has a network."""
        plan = replace(plan, workloads=self._networked)
        if self._testbed is None:
            return network.absent(sandbox, plan, self._no_testbed)
        return network.measure(sandbox, self._testbed, plan)

    def _judge_probes(self) -> None:
        """Add what was looked at once in every sandbox, which needs the readings of all of them."""
        names = list(self._opened)
        for name in names:
            for part, samples in self._probing.samples(self._info, name, names):
                if samples and (0, name, part) not in self._tally.done:
                    self._close(samples, 0, name, 0.0, part=part)

    def _act_together(self) -> None:
        """Try what takes several instances at once."""
        for joint in self._probing.together(self._info, self._opened):
            if (0, joint.sandbox, joint.part) in self._tally.done:
                continue
            left = max(self._campaign.budget_s - self._tally.elapsed_s, 0.0)
            self._observer.visiting(0, joint.title, left)
            began = time.monotonic()
            with self._at_work():
                samples = joint.act()
            self._close(samples, 0, joint.sandbox, time.monotonic() - began, part=joint.part)

    def _close(
        self,
        samples: Sequence[Sample],
        block: int,
        name: str,
        seconds: float,
        *,
        part: str = START,
        meanwhile: Mapping[str, float] | None = None,
    ) -> None:
        now = time.monotonic()
        wall_s = now - self._closed_at
        entry = Visit(
            block=block,
            sandbox=name,
            samples=len(samples),
            seconds=seconds,
            part=part,
            meanwhile=dict(meanwhile or {}),
            wall_s=wall_s,
            dead_s=wall_s - self._worked_s,
        )
        self._closed_at, self._worked_s = now, 0.0  # what follows is the next one's
        self._journal.append(samples, entry)
        self._tally.add(entry, samples)
        self._observer.visited(samples)
