"""The loop of a campaign: block by block it visits the sandboxes, and journals as it goes.

It knows how often each experiment is done (its cadence) and no experiment by name.
"""

from __future__ import annotations

import time
from contextlib import contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING

import psutil

from benchmarks.campaign import schedule
from benchmarks.errors import MeasurementError
from benchmarks.experiments.base import Cadence, Context
from benchmarks.host import quiesce
from benchmarks.results.journal import JournalWriter, Visit
from benchmarks.results.recorder import Recorder
from benchmarks.results.records import Status
from benchmarks.sandboxes import find
from benchmarks.session import overhead, repetitions
from benchmarks.session.allocation import Allocation
from benchmarks.session.forecast import Forecast
from benchmarks.session.history import READY, REPEATED, START, History
from benchmarks.session.visit import visit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from benchmarks.campaign.config import Campaign
    from benchmarks.campaign.schedule import Stop
    from benchmarks.experiments.base import Experiment
    from benchmarks.results.records import RunInfo
    from benchmarks.results.runfolder import Run
    from benchmarks.sandboxes.base import Sandbox
    from benchmarks.session.lacking import Lack
    from benchmarks.session.observer import Observer

_BETWEEN_S = 0.05
"""How long to wait for the host to come to rest between two starts that are repeated."""


class Runner:
    """Carries a campaign out whose sandboxes and journal are open."""

    def __init__(
        self,
        *,
        campaign: Campaign,
        experiments: Sequence[Experiment],
        lacks: Sequence[Lack],
        info: RunInfo,
        opened: Mapping[str, Sandbox],
        journal: JournalWriter,
        observer: Observer,
        previous: Run | None,
        logs: Path,
    ) -> None:
        """Take what the campaign consists of; nothing is measured yet."""
        self._campaign = campaign
        self._experiments = experiments
        self._lacking = {lack.workload: lack.said for lack in lacks}
        self._info = info
        self._opened = opened
        self._journal = journal
        self._observer = observer
        apart = [one.name for one in self._of(Cadence.BLOCK)]
        self._history = History(info, previous, apart)
        self._allocation = Allocation(opened, experiments, self._history)
        self._forecast = Forecast(campaign, self._allocation, self._history)
        self._logs = logs
        self._closed_at = time.monotonic()
        self._worked_s = 0.0

    def run(self) -> Stop:
        """Measure block after block until enough has been seen, and say why it ended."""
        apart = self._of(Cadence.BLOCK)
        warm = [one for one in apart if not one.leaves_cold]
        cold = [one for one in apart if one.leaves_cold]
        if cold:
            self._warm()  # a run that was killed may have left the caches cold
        block = blocks = 0
        alone = False
        while True:
            if alone:
                self._repeat(block)
            else:
                self._observer.beginning(blocks + 1, self._forecast.begin(blocks + 1))
                self._whole(block, blocks, warm, cold)
                blocks += 1
            block += 1
            alone, stop = self._next(block, blocks)
            if stop is not None:
                self._observer.stopped(stop)
                return stop

    def _whole(
        self, block: int, place: int, warm: Sequence[Experiment], cold: Sequence[Experiment]
    ) -> None:
        """Visit every sandbox, and start the cheap ones again in the midst of that."""
        names = schedule.order(self._info.seed, place, list(self._opened))
        places = list(enumerate(names))
        for position, name in places:
            self._visit(block, position, name)
            for one in warm:
                self._measure_apart(one, block, position, name)
            if position == (len(places) - 1) // 2:
                self._repeat(block)
        measured = [self._measure_apart(one, block, *place) for one in cold for place in places]
        if any(measured):
            self._warm()
        if block == 0:
            self._judge()
            self._measure_together()

    def _next(self, block: int, blocks: int) -> tuple[bool, Stop | None]:
        """Decide whether the next block is one of starts alone, or why there is none.

        Every other block is, where starts are repeated and time is left for it; so are those at the
        end for which the time still suffices.
        """
        if begun := self._history.parts(block):  # of a run that is resumed
            return begun == {REPEATED}, None
        stop = self._enough(blocks, self._allocation.seconds())
        if not self._allocation.repeats or (stop and stop.reason != "budget"):
            return False, stop
        alone_s = self._allocation.seconds(alone=True)
        fits = self._history.elapsed_s + alone_s <= self._campaign.budget_s
        if fits and (stop or block % 2):
            return True, self._enough(blocks, alone_s)
        return False, stop

    def _of(self, cadence: Cadence) -> list[Experiment]:
        return [one for one in self._experiments if one.cadence is cadence]

    @contextmanager
    def _at_work(self) -> Iterator[None]:
        """Count the time inside as preparing and measuring."""
        began = time.monotonic()
        yield
        self._worked_s += time.monotonic() - began

    def _enough(self, blocks: int, next_block_s: float) -> Stop | None:
        ranked = self._allocation.ranked()
        if not ranked:
            return schedule.Stop("failures", dict.fromkeys(self._opened))
        return schedule.enough(
            self._campaign,
            blocks=blocks,
            elapsed_s=self._history.elapsed_s,
            next_block_s=next_block_s,
            starts={name: self._history.starts(name) for name in ranked},
        )

    def _wants(self, block: int, name: str, part: str) -> bool:
        done = (block, name, part) in self._history.done
        return not done and not self._history.given_up(name)

    def _tell(self, block: int, what: str) -> None:
        """Say what begins, and how much time is left."""
        self._observer.visiting(block, what, self._forecast.left_s())

    def _context(
        self,
        block: int,
        *names: str,
        position: int | None = None,
        repetition: int | None = None,
    ) -> Context:
        return Context(
            record=Recorder(self._info.run, block, names[0], position, repetition),
            group=tuple(self._opened[name] for name in names),
            sandboxes=self._opened,
            resources=self._info.resources,
            seed=self._info.seed,
            block=block,
            logs=self._logs,
        )

    def _visit(self, block: int, position: int, name: str) -> None:
        part = self._allocation.part(name)
        if not self._wants(block, name, START) or not self._wants(block, name, part):
            return
        self._tell(block, name)
        context = self._context(block, name, position=position)
        repeated = self._allocation.experiments(name)
        once = self._of(Cadence.ONCE) if block == 0 else []
        until_ready = part == READY
        self._watched(
            lambda: visit(context, repeated, once, until_ready=until_ready), context, part
        )

    def _repeat(self, block: int) -> None:
        """Start those again whose start is cheap, as often as that is worth its time."""
        wanted = [name for name in self._opened if self._wants(block, name, REPEATED)]
        times = {name: most for name in wanted if (most := self._allocation.times(name))}
        if not times:
            return
        self._tell(block, f"{', '.join(times)}, start alone")

        def begin(name: str, position: int, number: int) -> Context:
            _quiet(self._opened[name], _BETWEEN_S)
            return self._context(block, name, position=position, repetition=number)

        with overhead.watch(self._info.resources.cpuset) as watched, self._at_work():
            repeated = {name: self._allocation.repeated(name) for name in times}
            taken = repetitions.turns(times, repeated, partial(self._turn, block), begin)
        for name, found in taken.items():
            context = self._context(block, name)
            context.record.samples = found.samples
            if watched.flags:
                context.record.flag(*watched.flags)
            self._close(context, found.seconds, REPEATED, watched.meanwhile)

    def _turn(self, block: int, turn: int) -> list[str]:
        return schedule.order(f"{self._info.seed}/{block}", turn, list(self._opened))

    def _record_lacking(self, context: Context) -> None:
        """Say of what the image has no program for why it is not measured, in the first block."""
        for metric in self._info.metrics if context.block == 0 else ():
            if metric.workload in self._lacking:
                said = self._lacking[metric.workload]
                context.record.nothing([metric], Status.UNSUPPORTED, said)

    def _measure_apart(self, one: Experiment, block: int, position: int, name: str) -> bool:
        """Start instances for one experiment: nothing else runs meanwhile."""
        if not self._wants(block, name, one.name):
            return False
        with self._at_work():
            one.prepare()
        context = self._context(block, name, position=position)
        self._watched(lambda: one.run(context), context, one.name)
        return True

    def _watched(self, measure: Callable[[], None], context: Context, part: str) -> None:
        """Measure once the host has come to rest, and flag what disturbed it meanwhile."""
        began = time.monotonic()
        unsettled = self._settle(context.sandbox)
        with overhead.watch(self._info.resources.cpuset) as watched, self._at_work():
            measure()
        if part == START:
            self._record_lacking(context)
        if flags := (*unsettled, *watched.flags):
            context.record.flag(*flags)
        self._close(context, time.monotonic() - began, part, watched.meanwhile)

    def _settle(self, sandbox: Sandbox) -> tuple[str, ...]:
        """Wait until the host has come to rest; the flag of a visit for which it has not."""
        with self._at_work():
            return () if _quiet(sandbox, quiesce.LIMIT_S) else ("unsettled",)

    def _warm(self) -> None:
        """Start each once, unmeasured: what a drop took from the caches is read again."""
        for name, sandbox in self._opened.items():
            if not self._history.given_up(name):
                # a failure meets the next visit again, and is recorded there
                with self._at_work(), suppress(MeasurementError), sandbox.start():
                    pass

    def _judge(self) -> None:
        """Record what was seen once in every sandbox, which needs the readings of all of them."""
        for name in self._opened:
            for one in self._of(Cadence.ONCE):
                if (0, name, one.name) not in self._history.done:
                    context = self._context(0, name)
                    one.judge(context)
                    self._close(context, 0.0, one.name)

    def _measure_together(self) -> None:
        """Do what is done once in a run, with instances of its own."""
        for one in self._of(Cadence.TOGETHER):
            for names in one.groups(list(self._opened)):
                part = " to ".join((one.name, *names[1:]))
                if (0, names[0], part) in self._history.done:
                    continue
                where = "from" if len(names) > 1 else "in"
                self._tell(0, f"{one.title} {where} {' to '.join(names)}")
                began = time.monotonic()
                context = self._context(0, *names)
                with self._at_work():
                    one.run(context)
                self._close(context, time.monotonic() - began, part)

    def _close(
        self,
        context: Context,
        seconds: float,
        part: str,
        meanwhile: Mapping[str, float] | None = None,
    ) -> None:
        now = time.monotonic()
        wall_s = now - self._closed_at
        samples = context.record.samples
        entry = Visit(
            block=context.block,
            sandbox=context.name,
            samples=len(samples),
            seconds=seconds,
            part=part,
            meanwhile=dict(meanwhile or {}),
            wall_s=wall_s,
            dead_s=wall_s - self._worked_s,
        )
        self._closed_at, self._worked_s = now, 0.0  # what follows is the next one's
        self._journal.append(samples, entry)
        self._history.add(entry, samples)
        self._observer.visited(samples)


def _quiet(sandbox: Sandbox, limit_s: float) -> bool:
    """Wait until the host has come to rest, and tell whether it has."""
    if find(sandbox.info.name).isolation == "simulated":
        return True  # its figures are drawn: no host disturbs them
    return quiesce.settled(psutil.cpu_count() or 1, limit_s=limit_s)
