"""An aggressor beside a workload: at work until the workload is done, and then ended."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Self, cast

import pytest

from benchmarks.errors import MeasurementError
from benchmarks.experiments import noisy_neighbour
from benchmarks.results.records import Resources
from benchmarks.sandboxes.base import Completed
from benchmarks.workloads import Neighbour, Workload

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.sandboxes.base import Instance, Sandbox

RESOURCES = Resources(cpus=1, cpuset=(0,), memory_bytes=1 << 29)
WORKLOAD = Workload(
    name="turns",
    title="turns",
    command=("/bin/turns",),
    seconds=1,
    timeout_s=60,
    paths={"events": "/events", "seconds": "/seconds"},
    event="one turn",
    neighbour=Neighbour(command=("/bin/noise",), seconds=60, lead_s=0.0),
)


class Place:
    """Runs the workload at once, and the aggressor until the instance ends, or as told."""

    def __init__(self, noise: Completed | None) -> None:
        self._noise = noise
        self.over = threading.Event()

    def run(self, args: Sequence[str], *, timeout_s: float, stdin: bytes = b"") -> Completed:
        del stdin
        if args[0] == "/bin/turns":
            if self._noise is not None:
                for thread in threading.enumerate():
                    if thread.name == "neighbour":
                        thread.join()
            return Completed(0, b'{"events": 10, "seconds": 2}', b"", 2.0)
        if self._noise is not None:
            return self._noise
        assert self.over.wait(timeout_s)
        raise MeasurementError("killed with its instance")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()

    def start(self) -> Self:
        return self


def measured(noise: Completed | None) -> dict[str, float]:
    place = Place(noise)
    # Only what a neighbour needs of a sandbox is there.
    return noisy_neighbour.measure(
        cast("Sandbox", place), cast("Instance", place), WORKLOAD, RESOURCES
    )


def test_the_aggressor_goes_on_until_its_instance_ends() -> None:
    assert measured(None) == {"kept_ratio": 1.0, "alone_per_s": 5.0, "beside_per_s": 5.0}


@pytest.mark.parametrize(
    ("noise", "said"),
    [
        (Completed(0, b"", b"", 0.1), "noise ended before turns did; give it more seconds"),
        (Completed(3, b"", b"no room", 0.1), "noise ended with status 3: no room"),
    ],
    ids=["too-short", "failed"],
)
def test_an_aggressor_that_ended_first_is_no_figure(noise: Completed, said: str) -> None:
    with pytest.raises(MeasurementError, match=said):
        measured(noise)
