"""How long a start and a stop take, from boundary to boundary, on one clock."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.experiments.base import Cadence, Context, Experiment, at_least
from benchmarks.results import metrics
from benchmarks.results.records import Direction, Unit

if TYPE_CHECKING:
    from collections.abc import Iterable

    from benchmarks.results.metrics import Row

_NANOSECONDS = 1e-9
_CHEAP_S = 0.5
"""A start and a stop that take no longer are worth repeating within a block."""


class Startup(Experiment):
    """The boundaries that every visit's start and stop pass anyway."""

    name = metrics.STARTUP
    title = "start and stop"
    cadence = Cadence.VISIT
    place = 0
    partial = True

    class Options(Experiment.Options, frozen=True):
        """Keys of starts.

        Attributes:
            start_repetitions: Most further starts in a block of each sandbox whose start is cheap;
                how many there are is learned from what they cost and how they vary.
        """

        rules = (("start_repetitions", at_least(0)),)
        start_repetitions: int = 0

    options: Options

    @classmethod
    def rows(cls) -> Iterable[Row]:
        lower, seconds = Direction.LOWER, Unit.SECONDS
        for boundary in metrics.BOUNDARIES:
            yield f"startup_{boundary}_s", seconds, lower, metrics.BOUNDARY_TITLES[boundary]
        yield metrics.STOP.metric, seconds, lower, metrics.STOP.title
        yield "stop_guest_s", seconds, lower, "stop asked → the guest has powered off"
        told = "the guest has powered off → nothing of the instance left running"
        yield "stop_host_s", seconds, lower, told

    def headlines(self) -> tuple[()]:
        """Return none: a visit records a start that failed whatever it measures."""
        return ()

    def repetitions(self, start_s: float) -> int:
        """Return as many as the campaign allows where a start is cheap."""
        return self.options.start_repetitions if start_s <= _CHEAP_S else 0

    def estimate(self, start_s: float) -> float:
        """Return the time of the further starts, when all are made."""
        return start_s * self.repetitions(start_s)

    def run(self, context: Context) -> None:
        """Record the boundaries that the start has passed."""
        stamps = context.instance.stamps
        for boundary in metrics.BOUNDARIES:
            if boundary in stamps:
                seconds = (stamps[boundary] - stamps["requested"]) * _NANOSECONDS
                context.record.add(self.name, f"startup_{boundary}_s", Unit.SECONDS, seconds)

    def finish(self, context: Context) -> None:
        """Record the stop and, of a guest, its own share."""
        stamps = context.instance.stamps
        if "stopped" not in stamps:
            return
        asked, stopped = stamps["stop_asked"], stamps["stopped"]
        parts = {metrics.STOP.metric: stopped - asked}
        if "powered_off" in stamps:  # only a guest has an end of its own before its process's
            parts["stop_guest_s"] = stamps["powered_off"] - asked
            parts["stop_host_s"] = stopped - stamps["powered_off"]
        for metric, nanoseconds in parts.items():
            context.record.add(self.name, metric, Unit.SECONDS, nanoseconds * _NANOSECONDS)
