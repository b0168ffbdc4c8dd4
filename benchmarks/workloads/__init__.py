"""Workloads as data: a TOML file each says what to run and how its own output is read."""

from __future__ import annotations

import difflib
import re
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from benchmarks.errors import MeasurementError, WorkloadError
from benchmarks.records import Direction, MetricInfo, Unit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.records import Resources
    from benchmarks.sandboxes.base import Completed

_FOLDER = Path(__file__).parent
_GROUPS = ({"rate", "events"}, {"events", "seconds"}, {"word"})


class Workload(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    r"""One workload.

    Attributes:
        name: Its name in campaigns and samples.
        title: Its name for people.
        command: Arguments; ``{cpus}`` and ``{seconds}`` are filled in.
        seconds: How long it should take, where the tool can be told.
        timeout_s: When it counts as hanging.
        pattern: Regular expression with the named groups ``rate`` and ``events``, or ``events``
            and ``seconds``, or ``word``; searched in the output.
        event: What one event is.
        stream: Where the tool writes its result, ``stdout`` or ``stderr``.
        metric: Name of the metric of a ``word``.
    """

    name: str
    title: str
    command: tuple[str, ...]
    seconds: int
    timeout_s: float
    pattern: str
    event: str
    stream: str = "stdout"
    metric: str = "word"

    def args(self, resources: Resources) -> list[str]:
        """Return the command for these resources."""
        return [
            part.replace("{cpus}", str(resources.cpus)).replace("{seconds}", str(self.seconds))
            for part in self.command
        ]

    def is_word(self) -> bool:
        """Tell whether the result is a word and not a speed."""
        return "(?P<word>" in self.pattern

    def metrics(self) -> tuple[MetricInfo, ...]:
        """Return the metrics a run of it yields; the first is its headline."""
        if self.is_word():
            return (self._metric(self.metric, Unit.WORD, Direction.NEITHER, self.title),)
        return (
            self._metric(
                "throughput_per_s",
                Unit.PER_SECOND,
                Direction.HIGHER,
                f"{self.title}: events per second, by the tool's own clock",
            ),
            self._metric(
                "host_cpu_s",
                Unit.SECONDS,
                Direction.LOWER,
                f"{self.title}: host CPU time of the instance while it ran",
            ),
            self._metric(
                "host_cpu_s_per_event",
                Unit.SECONDS_PER_EVENT,
                Direction.LOWER,
                f"{self.title}: host CPU time per event ({self.event})",
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
        output = completed.stderr if self.stream == "stderr" else completed.stdout
        text = output.decode(errors="replace")
        said = (completed.stderr or completed.stdout).decode(errors="replace").strip()[-300:]
        if completed.exit_code != 0:
            raise MeasurementError(
                f"{self.command[0]} ended with status {completed.exit_code}: {said or 'no output'}",
            )
        match = re.search(self.pattern, text, re.MULTILINE)
        if match is None:
            raise MeasurementError(
                f"the output of {self.command[0]} has no result: {text.strip()[-300:]!r}",
            )
        groups = match.groupdict()
        if "word" in groups:
            return {self.metric: groups["word"]}
        events = float(groups["events"])
        seconds = groups.get("seconds")
        rate = events / float(seconds) if seconds else float(groups["rate"])
        if events <= 0 or rate <= 0:
            raise MeasurementError(f"{self.command[0]} did no work: {match.group(0)[:200]!r}")
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


def names() -> list[str]:
    """Return the names of the workloads that come with tare."""
    return sorted(path.stem for path in _FOLDER.glob("*.toml"))


def load(name_or_path: str) -> Workload:
    """Load a workload by name, or from a TOML file.

    Raises:
        WorkloadError: There is none, or its file is wrong.
    """
    own_file = name_or_path.endswith(".toml")
    path = Path(name_or_path) if own_file else _FOLDER / f"{name_or_path}.toml"
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
        workload = msgspec.convert(data, Workload)
        groups = set(re.compile(workload.pattern).groupindex)
    except FileNotFoundError as error:
        known = names()
        near = difflib.get_close_matches(name_or_path, known, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(known)}"
        raise WorkloadError(f"there is no workload {name_or_path!r}; {hint}") from error
    except OSError as error:
        raise WorkloadError(f"cannot read {path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, msgspec.ValidationError, re.error) as error:
        raise WorkloadError(f"{path}: {error}") from error
    if groups not in _GROUPS:
        raise WorkloadError(
            f"{path}: pattern needs the named groups rate and events, or events and seconds, "
            f"or word; it has {', '.join(sorted(groups)) or 'none'}",
        )
    return workload


def load_all(wanted: Sequence[str]) -> list[Workload]:
    """Load several workloads.

    Raises:
        WorkloadError: As for ``load``.
    """
    return [load(name) for name in wanted]
