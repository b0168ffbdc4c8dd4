"""How much memory an idle instance takes, counted in each way the host can count it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, ClassVar

import psutil

from benchmarks.errors import MeasurementError
from benchmarks.experiments.base import PAUSE, Cadence, Context, Experiment, Rules
from benchmarks.results import metrics
from benchmarks.results.records import Direction, MetricInfo, Unit

if TYPE_CHECKING:
    from collections.abc import Iterable

    from benchmarks.results.metrics import Row

_TITLES = {
    "vss_bytes": "address space of all host processes of the instance",
    "rss_bytes": "resident set of all host processes of the instance",
    "pss_bytes": "proportional set of all host processes of the instance",
    "uss_bytes": "unique set of all host processes of the instance",
    "mapped_bytes": "writable mappings of all host processes of the instance (virtual memory)",
    "cgroup_bytes": "charged to the instance's memory cgroup",
    "cgroup_kernel_bytes": "memory of the host's kernel, a part of what the cgroup is charged",
    "memavailable_delta_bytes": "fall of the host's MemAvailable while the instance runs",
    "guest_ram_bytes": "guest RAM that is resident on the host",
    "vmm_bytes": "resident set of the VMM beyond guest RAM",
    "translation_bytes": "translated code of an emulated guest, a part of the VMM beyond guest RAM",
    "page_tables_bytes": "page tables that the host's kernel keeps for the VMM",
    "helper_pss_bytes": "proportional set of what serves an instance beside it or its VMM",
    "guest_used_bytes": "memory the guest itself has in use (MemTotal - MemAvailable)",
    "guest_held_bytes": "memory the guest holds: neither free, nor cache, nor its kernel's reserve",
}


class Settling(Experiment.Options, frozen=True):
    """The pause of all that read memory, or watch an idle instance.

    Attributes:
        settle_s: Idle time before memory is read, in seconds.
    """

    rules: ClassVar[Rules] = (("settle_s", PAUSE),)
    settle_s: float = 0.3


class Memory(Experiment):
    """The memory ladder of an instance that has settled."""

    name = metrics.MEMORY
    title = "memory of an idle instance"
    cadence = Cadence.VISIT
    place = 10

    Options = Settling
    options: Settling
    _available_before = 0

    @classmethod
    def rows(cls) -> Iterable[Row]:
        for metric, title in _TITLES.items():
            yield metric, Unit.BYTES, Direction.LOWER, title
        told = "host processes that serve the idle instance"
        yield "processes", Unit.COUNT, Direction.LOWER, told

    def headlines(self) -> list[MetricInfo]:
        """Return the resident set."""
        return [info for info in self.catalogue() if info.metric == "rss_bytes"]

    def estimate(self, start_s: float) -> float:
        return self.options.settle_s

    def prepare(self) -> None:
        """Read what the host has available before the start."""
        self._available_before = psutil.virtual_memory().available

    def run(self, context: Context) -> None:
        """Read the ladder once the instance has settled."""
        time.sleep(self.options.settle_s)
        context.record.begin()
        available = psutil.virtual_memory().available
        try:
            ladder = dict(context.instance.memory())
        except MeasurementError as error:
            context.record.failed(self.headlines(), error)
            return
        ladder["memavailable_delta_bytes"] = self._available_before - available
        context.record.each(self.metrics(), ladder)
