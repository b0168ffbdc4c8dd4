"""What a campaign looks at once, beside what every block measures.

A *part* looks at one running instance, as its visit's last act, and turns what it saw into samples
when every sandbox has been looked at. A *joint act* needs instances of its own, several at once.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from benchmarks.results.records import Sample, Status, Unit

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from benchmarks.results.records import RunInfo
    from benchmarks.sandboxes.base import Instance


class Part(Protocol):
    """Something looked at in every sandbox."""

    @property
    def name(self) -> str:
        """Name of the journal's part that holds its samples."""

    def read(self, sandbox: str, instance: Instance) -> None:
        """Look at a running instance and keep what was seen; a failure is kept in its place."""

    def samples(self, info: RunInfo, sandbox: str, names: Sequence[str]) -> list[Sample]:
        """Turn what was seen in one sandbox into samples.

        Args:
            info: The run.
            sandbox: The sandbox.
            names: All sandboxes of the run, for the guest's reading.
        """


@dataclass(frozen=True)
class JointAct:
    """Something tried once with instances of its own.

    Attributes:
        sandbox: The sandbox its samples belong to.
        part: Name of the journal's part that holds them.
        title: What it is, for who waits.
        act: Does it; a failure becomes a sample's status.
    """

    sandbox: str
    part: str
    title: str
    act: Callable[[], list[Sample]]


def sample(
    info: RunInfo,
    sandbox: str,
    workload: str,
    metric: str,
    *,
    unit: Unit,
    value: float | None = None,
    text: str | None = None,
    detail: str | None = None,
    error: str | None = None,
    unsupported: bool = False,
    dimensions: dict[str, str] | None = None,
    block: int = 0,
) -> Sample:
    """Make a sample.

    Args:
        info: The run.
        sandbox: The sandbox.
        workload: The built-in workload.
        metric: The metric.
        unit: Its unit.
        value: The number, where there is one.
        text: The word, where there is one.
        detail: Evidence.
        error: Why there is neither; it makes the sample a failed one.
        unsupported: Whether there can be neither here, which ``detail`` explains.
        dimensions: What else tells the sample from others.
        block: The unit of pairing.
    """
    status = Status.OK if error is None else Status.FAILED
    return Sample(
        run=info.run,
        block=block,
        sandbox=sandbox,
        workload=workload,
        metric=metric,
        unit=unit,
        status=Status.UNSUPPORTED if unsupported else status,
        started_at=time.time(),
        value=value if error is None else None,
        text=text if error is None else None,
        detail=error or detail,
        dimensions=dimensions or {},
    )
