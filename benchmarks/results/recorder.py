"""The samples of one visit, or of whatever else closes with a line in the journal."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import msgspec

from benchmarks.errors import MeasurementError, NotSupportedError
from benchmarks.results.metrics import REPETITION
from benchmarks.results.records import MetricInfo, Sample, Status, Unit

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class Recorder:
    """Collects samples."""

    def __init__(
        self,
        run: str,
        block: int,
        sandbox: str,
        position: int | None = None,
        repetition: int | None = None,
    ) -> None:
        """Begin with none, dated from now.

        Args:
            run: Identifier of the run.
            block: Number of the block.
            sandbox: Name of the sandbox that the samples belong to.
            position: Place in the block, from 0; None for what is done once in a run.
            repetition: Number of a further start within the block, 0 for the one that warms up;
                None for a visit.
        """
        self._run = run
        self._block = block
        self._sandbox = sandbox
        told = {"position": position, REPETITION: repetition}
        self._dimensions = {key: str(value) for key, value in told.items() if value is not None}
        self._started_at = time.time()
        self.samples: list[Sample] = []

    def begin(self) -> None:
        """Date the samples that follow from now."""
        self._started_at = time.time()

    def add(
        self,
        workload: str,
        metric: str,
        unit: Unit,
        value: float | str | None,
        *,
        status: Status = Status.OK,
        detail: str | None = None,
        dimensions: dict[str, str] | None = None,
        pair: int | None = None,
    ) -> None:
        """Record one value; a word goes to ``text``.

        Args:
            workload: The experiment's or workload's name.
            metric: The metric.
            unit: Its unit.
            value: The number or word; None where there is none.
            status: What became of it.
            detail: Evidence, or why there is none.
            dimensions: What else tells the sample from others.
            pair: The unit of pairing, where it is not the block.
        """
        self.samples.append(
            Sample(
                run=self._run,
                block=self._block if pair is None else pair,
                sandbox=self._sandbox,
                workload=workload,
                metric=metric,
                unit=unit,
                status=status,
                started_at=self._started_at,
                value=None if isinstance(value, str) else value,
                text=value if isinstance(value, str) else None,
                detail=detail,
                dimensions={**self._dimensions, **(dimensions or {})},
            ),
        )

    def each(
        self,
        metrics: Sequence[MetricInfo],
        values: Mapping[str, float | str | None],
        detail: str | None = None,
        dimensions: dict[str, str] | None = None,
    ) -> None:
        """Record those of these metrics that have a value; None is one that cannot be had."""
        for info in metrics:
            if info.metric in values:
                self.add(
                    info.workload,
                    info.metric,
                    info.unit,
                    values[info.metric],
                    status=Status.UNSUPPORTED if values[info.metric] is None else Status.OK,
                    detail=detail,
                    dimensions=dimensions,
                )

    def flag(self, *disturbances: str) -> None:
        """Flag everything recorded so far."""
        self.samples = [
            msgspec.structs.replace(sample, flags=(*sample.flags, *disturbances))
            for sample in self.samples
        ]

    def failed(
        self,
        metrics: Sequence[MetricInfo],
        error: MeasurementError,
        dimensions: dict[str, str] | None = None,
    ) -> None:
        """Record that these metrics could not be measured, and why."""
        status = Status.TIMEOUT if error.timed_out else Status.FAILED
        if error.out_of_memory:
            status = Status.OUT_OF_MEMORY
        if isinstance(error, NotSupportedError):
            status = Status.UNSUPPORTED
        self.nothing(metrics, status, str(error), dimensions)

    def nothing(
        self,
        metrics: Sequence[MetricInfo],
        status: Status,
        detail: str,
        dimensions: dict[str, str] | None = None,
    ) -> None:
        """Record that these metrics have no value, and why."""
        for info in metrics:
            self.add(
                info.workload,
                info.metric,
                info.unit,
                None,
                status=status,
                detail=detail,
                dimensions=dimensions,
            )
