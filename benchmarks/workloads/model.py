"""One workload: its command for given resources, its metrics, and its result read."""

from collections.abc import Mapping

from benchmarks.errors import MeasurementError
from benchmarks.results.records import Direction, MetricInfo, Resources, Unit
from benchmarks.sandboxes.base import Completed
from benchmarks.workloads import checks, output
from benchmarks.workloads.definition import Definition, filled

_CANNOT_RUN = (126, 127)
"""Exit statuses of a shell that could not run, or not find, a program (POSIX, 2.8.2)."""


class Workload(Definition, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A workload that can be run: its definition keeps the rules."""

    def __post_init__(self) -> None:
        """Check what types cannot say.

        Raises:
            ValueError: A value makes no sense; the message names the key.
        """
        checks.check(self)

    def args(self, resources: Resources, address: str = "") -> list[str]:
        """Return the command for these resources and, where there is a server, its address."""
        return filled(self.command, self._values(resources, address))

    def server_args(self, resources: Resources, address: str) -> list[str]:
        """Return the server's command for these resources and its own address."""
        assert self.server is not None  # the caller has looked
        return filled(self.server.command, self._values(resources, address))

    def _values(self, resources: Resources, address: str) -> Mapping[str, object]:
        own = {"cpus": resources.cpus, "seconds": self.seconds}
        if self.server is None:
            return own
        return {**own, "server": address, "port": self.server.port}

    def metrics(self) -> tuple[MetricInfo, ...]:
        """Return the metrics a run of it yields; the first is its headline."""
        if self.is_word():
            return (self._metric(self.metric, Unit.WORD, Direction.NEITHER, self.title),)
        if self.neighbour is not None:
            return self._kept()
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

    def _kept(self) -> tuple[MetricInfo, ...]:
        """Return the metrics of a workload that is run alone and beside a neighbour."""
        higher, rate = Direction.HIGHER, Unit.PER_SECOND
        return (
            self._metric(
                "kept_ratio", Unit.RATIO, higher, f"{self.title}: speed kept beside the neighbour"
            ),
            self._metric("alone_per_s", rate, higher, f"{self.title}: events per second alone"),
            self._metric(
                "beside_per_s", rate, higher, f"{self.title}: events per second beside it"
            ),
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
            reason = output.end(completed.stderr) or output.end(completed.stdout) or "no output"
            if completed.exit_code in _CANNOT_RUN and self.needs:
                reason += f" (it needs {', '.join(self.needs)} in the image)"
            raise MeasurementError(f"{tool} ended with status {completed.exit_code}: {reason}")
        written = completed.stderr if self.stream == "stderr" else completed.stdout
        found = self._find(written.decode(errors="replace"))
        if self.is_word():
            word = found.get("word")
            if not isinstance(word, str) or not word:
                raise MeasurementError(f"{tool} gives no word: {output.end(repr(word))}")
            return {self.metric: word}
        results = {
            one.name: output.number(tool, one.name, found.get(one.at)) * one.scale
            for one in self.readings
        }
        if not self.is_speed():
            return {**results, "host_cpu_s": host_cpu_s}
        return {**self._speed(found, host_cpu_s), **results}

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

    def _metric(self, metric: str, unit: Unit, direction: Direction, title: str) -> MetricInfo:
        return MetricInfo(
            workload=self.name,
            metric=metric,
            unit=unit,
            direction=direction,
            title=title,
        )
