"""One workload: what to run, and how the tool's own output is read."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal

import msgspec

from benchmarks import metrics
from benchmarks.errors import MeasurementError
from benchmarks.records import Direction, MetricInfo, Unit
from benchmarks.workloads import output

if TYPE_CHECKING:
    from collections.abc import Mapping

    from benchmarks.records import Resources
    from benchmarks.sandboxes.base import Completed

_ROLES = frozenset({"rate", "events", "seconds", "word"})
_SPEEDS = ({"rate", "events"}, {"events", "seconds"})
_BUILT_IN = (metrics.STARTUP, metrics.MEMORY, metrics.LEAKS, metrics.CONTROLS)
_STANDARD = ("throughput_per_s", "host_cpu_s", "host_cpu_s_per_event")
_CANNOT_RUN = (126, 127)
"""Exit statuses of a shell that could not run, or not find, a program (POSIX, 2.8.2)."""


class Reading(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One more number of the tool's output, such as a percentile of its latency.

    Attributes:
        name: Name of the metric, its unit as suffix, for example ``latency_p99_s``.
        title: Its name for people.
        unit: Unit of the value after ``scale``.
        direction: Which way it is better.
        at: The named group of ``pattern``, or the JSON Pointer, that holds it.
        scale: What the tool's figure is multiplied with, for example 1e-9 for nanoseconds.
    """

    name: str
    title: str
    unit: Unit
    direction: Direction
    at: str
    scale: float = 1.0


class Workload(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    r"""One workload.

    The result is read by ``pattern`` out of text or by ``paths`` out of JSON; both give values to
    the same names: ``rate`` and ``events``, or ``events`` and ``seconds``, for a speed; ``word``
    for a word; none of them where ``readings`` alone are wanted.

    Attributes:
        name: Its name in campaigns and samples.
        title: Its name for people.
        command: Arguments; ``{cpus}`` and ``{seconds}`` are filled in.
        seconds: How long it should take, where the tool can be told.
        timeout_s: When it counts as hanging.
        pattern: Regular expression with named groups, searched in the output.
        paths: Name to JSON Pointer (RFC 6901), for a tool that writes JSON.
        event: What one event is.
        events: Number of events of a run, where it is fixed and the tool does not write it.
        stream: Where the tool writes its result.
        metric: Name of the metric of a ``word``.
        needs: Programs of the image it calls beside the first of ``command``.
        readings: What else to read.
    """

    name: str
    title: str
    command: tuple[str, ...]
    seconds: int
    timeout_s: float
    pattern: str = ""
    paths: dict[str, str] = {}
    event: str = ""
    events: int | None = None
    stream: Literal["stdout", "stderr"] = "stdout"
    metric: str = "word"
    needs: tuple[str, ...] = ()
    readings: tuple[Reading, ...] = ()

    def __post_init__(self) -> None:
        """Check what types cannot say.

        Raises:
            ValueError: A value makes no sense; the message names the key.
        """
        if self.name in _BUILT_IN:
            raise ValueError(f"name: {self.name!r} is measured by tare itself; choose another")
        if not self.command:
            raise ValueError("command: name at least a program")
        if not 0 < self.seconds < self.timeout_s:
            raise ValueError("timeout_s: must be above seconds, and seconds above 0")
        if self.events is not None and self.events < 1:
            raise ValueError("events: must be at least 1")
        self._check_names()
        self._check_readings()

    def args(self, resources: Resources) -> list[str]:
        """Return the command for these resources."""
        return [
            part.replace("{cpus}", str(resources.cpus)).replace("{seconds}", str(self.seconds))
            for part in self.command
        ]

    def is_word(self) -> bool:
        """Tell whether the result is a word and not a number."""
        return "word" in self._named()

    def is_speed(self) -> bool:
        """Tell whether the result has events per second."""
        return self._roles() in _SPEEDS

    def metrics(self) -> tuple[MetricInfo, ...]:
        """Return the metrics a run of it yields; the first is its headline."""
        if self.is_word():
            return (self._metric(self.metric, Unit.WORD, Direction.NEITHER, self.title),)
        lower, seconds = Direction.LOWER, Unit.SECONDS
        cpu = f"{self.title}: host CPU time of the instance while it ran"
        own = [
            self._metric(one.name, one.unit, one.direction, f"{self.title}: {one.title}")
            for one in self.readings
        ]
        if not self.is_speed():
            return (*own, self._metric("host_cpu_s", seconds, lower, cpu))
        rate = f"{self.title}: events per second, by the tool's own clock"
        per_event = f"{self.title}: host CPU time per event ({self.event})"
        return (
            self._metric("throughput_per_s", Unit.PER_SECOND, Direction.HIGHER, rate),
            self._metric("host_cpu_s", seconds, lower, cpu),
            self._metric("host_cpu_s_per_event", Unit.SECONDS_PER_EVENT, lower, per_event),
            *own,
        )

    def read(self, completed: Completed, host_cpu_s: float) -> dict[str, float | str]:
        """Read the result out of the tool's output.

        Args:
            completed: The ended command.
            host_cpu_s: Host CPU seconds the instance used meanwhile.

        Returns:
            Metric name to number, or to the word.

        Raises:
            MeasurementError: The tool failed, or its output is not as expected; the message
                holds the end of the output.
        """
        tool = self.command[0]
        if completed.exit_code != 0:
            said = output.end(completed.stderr) or output.end(completed.stdout) or "no output"
            if completed.exit_code in _CANNOT_RUN and self.needs:
                said += f" (it needs {', '.join(self.needs)} in the image)"
            raise MeasurementError(f"{tool} ended with status {completed.exit_code}: {said}")
        written = completed.stderr if self.stream == "stderr" else completed.stdout
        found = self._find(written.decode(errors="replace"))
        if self.is_word():
            if not isinstance(found["word"], str) or not found["word"]:
                raise MeasurementError(f"{tool} gives no word: {output.end(repr(found['word']))}")
            return {self.metric: found["word"]}
        results = {
            one.name: output.number(tool, one.name, found.get(one.at)) * one.scale
            for one in self.readings
        }
        speed = self._speed(found, host_cpu_s) if self.is_speed() else {"host_cpu_s": host_cpu_s}
        return {**speed, **results}

    def _find(self, text: str) -> Mapping[str, object]:
        if self.pattern:
            return output.from_text(self.command[0], self.pattern, text)
        pointers = self.paths | {one.at: one.at for one in self.readings}
        return output.from_json(self.command[0], pointers, text)

    def _speed(self, found: Mapping[str, object], host_cpu_s: float) -> dict[str, float]:
        """Return the three metrics of a speed.

        Raises:
            MeasurementError: A part of it is no number, or nothing was done.
        """
        tool = self.command[0]
        given = {"events": self.events} | dict(found)
        events = output.number(tool, "events", given["events"])
        if "seconds" in given:
            seconds = output.number(tool, "seconds", given["seconds"])
            rate = events / seconds if seconds > 0 else 0.0
        else:
            rate = output.number(tool, "rate", given.get("rate"))
        if events <= 0 or rate <= 0:
            raise MeasurementError(f"{tool} did no work: {output.end(repr(dict(found)))}")
        return {
            "throughput_per_s": rate,
            "host_cpu_s": host_cpu_s,
            "host_cpu_s_per_event": host_cpu_s / events,
        }

    def _named(self) -> set[str]:
        """Return the names that ``pattern`` or ``paths`` give values to."""
        return set(re.compile(self.pattern).groupindex) if self.pattern else set(self.paths)

    def _roles(self) -> set[str]:
        return (self._named() & _ROLES) | ({"events"} if self.events else set())

    def _check_names(self) -> None:
        if bool(self.pattern) == bool(self.paths or self._points()):
            raise ValueError("pattern: give either pattern, or paths for a tool that writes JSON")
        key = "pattern" if self.pattern else "paths"
        try:
            named = self._named()
        except re.error as error:
            raise ValueError(f"pattern: is no regular expression: {error}") from error
        roles = self._roles()
        allowed = [*_SPEEDS, {"word"}, *([set()] if self.readings else [])]
        if roles not in allowed:
            raise ValueError(
                f"{key}: needs the named groups or paths rate and events, or events and seconds, "
                f"or word; it has {', '.join(sorted(roles)) or 'none'}",
            )
        if self.events and "events" in named:
            raise ValueError(f"events: {key} gives them already; give one of the two")
        unread = sorted(named - _ROLES - {one.at for one in self.readings})
        if unread:
            raise ValueError(f"{key}: nothing reads {', '.join(unread)}; add a reading")
        for pointer in self.paths.values():
            if not pointer.startswith("/"):
                raise ValueError(f"paths: {pointer!r} is no JSON Pointer; it must begin with /")

    def _check_readings(self) -> None:
        names = [one.name for one in self.readings]
        if len(set(names)) < len(names) or set(names) & set(_STANDARD):
            raise ValueError(f"readings: a name stands twice or is one of {', '.join(_STANDARD)}")
        if names and self.is_word():
            raise ValueError("readings: a workload whose result is a word has no others")
        for one in self.readings:
            if one.unit is Unit.WORD or one.scale <= 0:
                raise ValueError(f"readings: {one.name} must be a number with a scale above 0")
            if self.pattern and one.at not in self._named():
                raise ValueError(f"readings: {one.name}: pattern has no named group {one.at!r}")

    def _points(self) -> bool:
        return any(one.at.startswith("/") for one in self.readings)

    def _metric(self, metric: str, unit: Unit, direction: Direction, title: str) -> MetricInfo:
        return MetricInfo(
            workload=self.name,
            metric=metric,
            unit=unit,
            direction=direction,
            title=title,
        )
