"""What many starts at the same moment come to: 1, 2, 4 … of them asked for at once.

One start alone has the host to itself. A host that is asked for many shows what they wait for in
common: locks of the kernel, the program that makes them one after the other, the CPUs. Each start
is asked for by a thread of its own, all let go together, so what serialises (our spawner, a daemon,
libvirt) is inside the figures: that is how it would be met.
"""

from __future__ import annotations

import statistics
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psutil

from benchmarks.errors import MeasurementError, NotSupportedError
from benchmarks.experiments.base import FRACTION, Cadence, Context, Experiment, at_least
from benchmarks.experiments.leftovers import refuse_leftovers
from benchmarks.results import metrics
from benchmarks.results.records import Direction, Status, Unit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from benchmarks.results.metrics import Row
    from benchmarks.sandboxes.base import Instance, Sandbox

_NANOSECONDS = 1e-9


class Parallel(Experiment):
    """Starts asked for at the same moment."""

    name = metrics.PARALLEL
    title = "many starts at once"
    cadence = Cadence.BLOCK
    place = 40

    class Options(Experiment.Options, frozen=True):
        """How many at most.

        Attributes:
            parallel_max: Most starts at the same moment of ``parallel``.
            parallel_available: Share of the host's memory that ``parallel`` leaves available.
        """

        rules = (("parallel_max", at_least(1)), ("parallel_available", FRACTION))
        parallel_max: int = 8
        parallel_available: float = 0.25

    options: Options

    @classmethod
    def rows(cls) -> Iterable[Row]:
        seconds, lower = Unit.SECONDS, Direction.LOWER
        main = "many asked for at once → first instruction, median of them"
        yield "parallel_main_s", seconds, lower, main
        last = "many asked for at once → first instruction of the last"
        yield "parallel_last_s", seconds, lower, last
        rate = "starts a second, up to the last one's first instruction"
        yield "parallel_starts_per_s", Unit.PER_SECOND, Direction.HIGHER, rate

    def estimate(self, start_s: float) -> float:
        return start_s * sum(numbers(self.options.parallel_max))

    def run(self, context: Context) -> None:
        """Start 1, 2, 4 … at once; numbers that the host has no room for are unsupported."""
        record, told = context.record, self.metrics()
        share = self.options.parallel_available
        floor = share * psutil.virtual_memory().total
        each, full = 0.0, ""
        for count in numbers(self.options.parallel_max):
            dimensions = {"instances": str(count)}
            if not full and psutil.virtual_memory().available - count * each < floor:
                left = f"less than {share:.0%} of the host's memory available"
                full = f"{count} at once would leave {left}"
            if full:
                record.nothing(told, Status.UNSUPPORTED, full, dimensions)
                continue
            record.begin()
            try:
                found = measure(context.sandbox, count)
                refuse_leftovers(context.sandbox)
            except MeasurementError as error:
                record.failed(told, error, dimensions)
                full = f"not tried, since {error}"
                continue
            each = max(found.taken_bytes, 0.0) / count
            values = (found.median_s, found.last_s, found.per_second)
            for info, value in zip(told, values, strict=True):
                record.each([info], {info.metric: value}, dimensions=dimensions)


@dataclass(frozen=True)
class Burst:
    """What starts that were asked for at the same moment came to.

    Attributes:
        count: How many.
        median_s: Median over them of asked → first instruction of the workload.
        last_s: Asked → the last of them runs its first instruction.
        per_second: ``count`` over ``last_s``.
        taken_bytes: Fall of the host's MemAvailable with all of them standing.
    """

    count: int
    median_s: float
    last_s: float
    per_second: float
    taken_bytes: float


def numbers(most: int) -> Iterator[int]:
    """Return 1, 2, 4, 8 … and the most."""
    count = 1
    while count < most:
        yield count
        count *= 2
    yield most


def measure(sandbox: Sandbox, count: int) -> Burst:
    """Start that many at once, wait for all, and stop them, all at once as well.

    Raises:
        MeasurementError: Some did not start or did not stop; what did is stopped.
    """
    before = psutil.virtual_memory().available
    asked: list[int] = []
    # the last thread to arrive takes the time before any is let go
    gate = threading.Barrier(count, action=lambda: asked.append(time.monotonic_ns()))

    def begin() -> Instance:
        gate.wait()
        return sandbox.start()

    instances: list[Instance] = []
    try:
        errors = _together([begin] * count, instances)
    except BaseException:
        # somebody interrupts: what has started meanwhile must not outlive the campaign
        _together([_ending(one) for one in instances], [])
        raise
    taken = before - psutil.virtual_memory().available
    reached = sorted((one.stamps["main"] - asked[0]) * _NANOSECONDS for one in instances)
    unstopped = _together([_ending(one) for one in instances], [])
    if errors:
        raise _first(errors, f"{len(errors)} of {count} at once did not start")
    if unstopped:
        raise _first(unstopped, f"{len(unstopped)} of {count} did not stop")
    return Burst(
        count=count,
        median_s=statistics.median(reached),
        last_s=reached[-1],
        per_second=count / reached[-1],
        taken_bytes=float(taken),
    )


def _ending(instance: Instance) -> Callable[[], None]:
    def end() -> None:
        with instance:
            instance.stop()

    return end


def _together[Result](
    calls: Sequence[Callable[[], Result]], results: list[Result]
) -> list[MeasurementError]:
    """Make all calls at once, each in a thread of its own; return the failures.

    It ends when every thread has, also where it is interrupted: each has a time limit of its own.
    """
    failures: list[MeasurementError] = []
    broken: list[BaseException] = []

    def work(call: Callable[[], Result]) -> None:
        try:
            results.append(call())
        except MeasurementError as error:
            failures.append(error)
        except BaseException as error:  # noqa: BLE001  # raised again where it can be seen
            broken.append(error)

    threads = [threading.Thread(target=work, args=(call,), name="burst") for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        try:
            thread.join()
        except BaseException as error:  # noqa: BLE001  # raised again once all have ended
            broken.append(error)
            thread.join()
    if broken:
        raise broken[0]
    return failures


def _first(errors: list[MeasurementError], what: str) -> MeasurementError:
    if all(isinstance(error, NotSupportedError) for error in errors):
        return errors[0]
    return MeasurementError(
        f"{what}: {errors[0]}",
        timed_out=any(error.timed_out for error in errors),
        out_of_memory=any(error.out_of_memory for error in errors),
    )
