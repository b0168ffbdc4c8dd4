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
from benchmarks.experiments.parts import JointAct, sample
from benchmarks.results import metrics
from benchmarks.results.records import Direction, MetricInfo, Unit
from benchmarks.sandboxes import find

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from benchmarks.results.records import RunInfo, Sample
    from benchmarks.sandboxes.base import Sandbox
    from benchmarks.workloads import Workload

METRIC = "smallest_ram_bytes"

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


def acts(
    info: RunInfo, sandboxes: Mapping[str, Sandbox], workloads: Sequence[Workload]
) -> Iterator[JointAct]:
    """Return one bisection for each sandbox."""
    for name, sandbox in sandboxes.items():
        yield JointAct(
            sandbox=name,
            part=metrics.SMALLEST,
            title=f"{name}: smallest memory",
            act=_Act(info, name, sandbox, workloads),
        )


def metric_infos() -> list[MetricInfo]:
    """Return the one metric."""
    return [
        MetricInfo(
            workload=metrics.SMALLEST,
            metric=METRIC,
            unit=Unit.BYTES,
            direction=Direction.LOWER,
            title="smallest memory in which it starts and does its work",
        ),
    ]


@dataclass(frozen=True)
class _Act:
    info: RunInfo
    name: str
    sandbox: Sandbox
    workloads: Sequence[Workload]

    def __call__(self) -> list[Sample]:
        most = self.info.resources.memory_bytes
        box = self.sandbox
        if not isinstance(box, Resizable) or box.resized(most) is None:
            why = f"{self.name} starts no instance with another memory than the campaign's"
            return [self._sample(why=why)]
        step = find(self.name).memory_step_bytes
        try:
            found = bisect(self._works, most, step)
        except MeasurementError as error:
            return [self._sample(error=str(error))]
        tried = f"tried: start, {', '.join(command[0] for command in self._commands())}"
        less = f"not with {found.fails_bytes >> 10} KiB: {found.reason}"
        if not found.fails_bytes:
            less = "and less was not tried"
        said = f"works with {found.runs_bytes >> 10} KiB, {less}; {tried}"
        return [self._sample(value=float(found.runs_bytes), detail=said)]

    def _works(self, memory_bytes: int) -> str | None:
        """Try a memory, and once more where it does not do; the reason of the last failure."""
        assert isinstance(self.sandbox, Resizable)
        box = self.sandbox.resized(memory_bytes)
        assert box is not None
        return self._tried(box) and self._tried(box)

    def _tried(self, box: Sandbox) -> str | None:
        try:
            with box.start() as instance:
                for command in self._commands():
                    done = instance.run(command, timeout_s=self._limit_s())
                    if done.exit_code != 0:
                        return f"{command[0]} ended with status {done.exit_code}"
        except MeasurementError as error:
            return str(error)
        return None

    def _commands(self) -> Sequence[Sequence[str]]:
        resources = self.info.resources
        return [workload.args(resources) for workload in self.workloads] or _NOTHING

    def _limit_s(self) -> float:
        return max((workload.timeout_s for workload in self.workloads), default=30.0)

    def _sample(
        self,
        value: float | None = None,
        *,
        detail: str | None = None,
        error: str | None = None,
        why: str | None = None,
    ) -> Sample:
        return sample(
            self.info,
            self.name,
            metrics.SMALLEST,
            METRIC,
            unit=Unit.BYTES,
            value=value,
            detail=why or detail,
            error=error,
            unsupported=why is not None,
        )
