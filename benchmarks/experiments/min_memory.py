"""The smallest memory in which an instance still starts and does its work, found by bisection.

For a container it is the limit of its memory group, for a VM the guest's RAM: what a user would
have to provide. A size is tried by a start and the campaign's commands, and once more where it did
not do, since a busy host fails a start as well as little memory does. What lies within one step of
the answer may go either way from one run to the next.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from benchmarks.errors import MeasurementError
from benchmarks.experiments.base import Cadence, Context, Experiment, Request
from benchmarks.results import metrics
from benchmarks.results.records import Direction, Status, Unit
from benchmarks.sandboxes import find

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from benchmarks.results.metrics import Row
    from benchmarks.sandboxes.base import Sandbox

_SHARE = 16
"""A step is at most this share of the answer: every further halving costs a start."""
_NOTHING = (("/bin/true",),)


@runtime_checkable
class Resizable(Protocol):
    """A sandbox that can start instances with another memory than the campaign's."""

    def resized(self, memory_bytes: int) -> Sandbox | None:
        """Return the same sandbox with that memory, open as long as this one; None for never."""


@dataclass(frozen=True)
class Smallest:
    """What the bisection came to.

    Attributes:
        runs_bytes: The smallest memory with which everything worked.
        fails_bytes: The largest with which something did not; 0 where the smallest step worked.
        reason: What did not; empty where the smallest step worked.
    """

    runs_bytes: int
    fails_bytes: int
    reason: str


def bisect(works: Callable[[int], str | None], most_bytes: int, step_bytes: int) -> Smallest:
    """Find the smallest memory by halving.

    Args:
        works: Tries a memory in bytes; returns None where all worked, else what did not.
        most_bytes: The campaign's memory, which must do.
        step_bytes: Every size that is tried is a multiple of it.

    Raises:
        MeasurementError: It does not work with the campaign's memory either.
    """
    low, high, why = 0, most_bytes // step_bytes, ""
    if reason := works(high * step_bytes):
        raise MeasurementError(f"it does not work with the campaign's memory: {reason}")
    while high - low > max(1, high // _SHARE):
        middle = (low + high) // 2
        reason = works(middle * step_bytes)
        if reason is None:
            high = middle
        else:
            low, why = middle, reason
    return Smallest(high * step_bytes, low * step_bytes, why)


class MinMemory(Experiment):
    """One bisection for each sandbox."""

    name = metrics.SMALLEST
    title = "smallest memory"
    cadence = Cadence.TOGETHER
    place = 80

    def __init__(self, request: Request) -> None:
        """Take the campaign's workloads that need nobody else."""
        super().__init__(request)
        self._workloads = [one for one in request.loaded.values() if one.server is None]

    @classmethod
    def rows(cls) -> Iterable[Row]:
        told = "smallest memory in which it starts and does its work"
        yield "smallest_ram_bytes", Unit.BYTES, Direction.LOWER, told

    def run(self, context: Context) -> None:
        """Find it."""
        most, box = context.resources.memory_bytes, context.sandbox
        (info,) = self.metrics()
        if not isinstance(box, Resizable) or box.resized(most) is None:
            why = f"{context.name} starts no instance with another memory than the campaign's"
            context.record.nothing([info], Status.UNSUPPORTED, why)
            return
        commands = [one.args(context.resources) for one in self._workloads] or _NOTHING
        limit_s = max((one.timeout_s for one in self._workloads), default=30.0)

        def works(memory_bytes: int) -> str | None:
            """Try a memory, and once more where it does not do; the reason of the last failure."""
            other = box.resized(memory_bytes)
            assert other is not None
            return _tried(other, commands, limit_s) and _tried(other, commands, limit_s)

        step = find(context.name).memory_step_bytes
        try:
            found = bisect(works, most, step)
        except MeasurementError as error:
            context.record.nothing([info], Status.FAILED, str(error))
            return
        tried = f"tried: start, {', '.join(command[0] for command in commands)}"
        less = f"not with {found.fails_bytes >> 10} KiB: {found.reason}"
        if not found.fails_bytes:
            less = "and less was not tried"
        said = f"works with {found.runs_bytes >> 10} KiB, {less}; {tried}"
        value = float(found.runs_bytes)
        context.record.add(info.workload, info.metric, info.unit, value, detail=said)


def _tried(box: Sandbox, commands: Sequence[Sequence[str]], limit_s: float) -> str | None:
    try:
        with box.start() as instance:
            for command in commands:
                done = instance.run(command, timeout_s=limit_s)
                if done.exit_code != 0:
                    return f"{command[0]} ended with status {done.exit_code}"
    except MeasurementError as error:
        return str(error)
    return None
