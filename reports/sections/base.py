"""Describe a section of a report: what it is called, when it applies, and how it is built."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from benchmarks.results import sample_table
from benchmarks.results.records import Sample, Status
from benchmarks.results.runfolder import Run
from reports.model.content import Content
from reports.model.rundata import RunData


class Reading(NamedTuple):
    """One thing that was looked at in one sandbox, for programs and for whoever asks about it.

    Attributes:
        sandbox: Where.
        workload: As part of what.
        probe: Its identifier.
        verdict: The word it came to; None where it is a number or failed.
        status: What became of it.
        evidence: What was read, or why nothing was.
        more: Further fields, in base units.
    """

    sandbox: str
    workload: str
    probe: str
    verdict: str | None
    status: Status
    evidence: str | None
    more: Mapping[str, Any] = {}

    @classmethod
    def of(cls, sample: Sample) -> "Reading":
        """Return a sample as a reading."""
        value = {} if sample.value is None else {"value": sample.value}
        return cls(
            sample.sandbox,
            sample.workload,
            sample.metric,
            sample.text,
            sample.status,
            sample.detail,
            {**value, **sample.dimensions},
        )

    @property
    def word(self) -> str:
        """What came of it in a word or a number; what broke is an error, and never safe."""
        if self.status.failure:
            return "error"
        if self.verdict is not None:
            return self.verdict
        value = self.more.get("value")
        return self.status.value if value is None else f"{value:g}"


@dataclass(frozen=True, kw_only=True)
class Section:
    """A section, defined by one file of ``reports.sections`` under the name ``SECTION``.

    Attributes:
        name: Identifier, unique in a report.
        title: Its heading.
        place: Where it stands; sections are shown in ascending order.
        build: Makes its content of a run; no blocks where it does not apply.
        records: Keys that its content adds to the JSON form, with their types.
        workloads: What has to be measured for it; ``tare leaks`` shows the sections of what it did.
        read: Returns single readings of a run; the samples of its workloads by default.
        explains: Returns what each probe does, by its identifier; one that ends with ``/`` stands
            for every path below it.
    """

    name: str
    title: str
    place: int
    build: Callable[[RunData], Content]
    records: Mapping[str, Any] = field(default_factory=dict)
    workloads: tuple[str, ...] = ()
    read: Callable[[Run], Iterable[Reading]] | None = None
    explains: Callable[[], Mapping[str, str]] = dict

    def readings(self, run: Run) -> list[Reading]:
        """Return every single reading of a run."""
        if self.read is not None:
            return list(self.read(run))
        return [Reading.of(sample) for sample in sample_table.of(run.samples, *self.workloads)]
