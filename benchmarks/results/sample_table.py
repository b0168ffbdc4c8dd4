"""Samples as columns: what many have in common is kept once, their numbers in arrays.

A million samples differ in three numbers each (block, time, value); everything else is one of a few
hundred *kinds*. So they are read from the journal's lines straight into arrays, and a ``Sample`` is
made only when someone asks for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from operator import attrgetter
from typing import TYPE_CHECKING, NamedTuple, overload

import msgspec
import numpy as np

from benchmarks.results.records import Sample

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

_OWN = {"block", "started_at", "value"}
_common = attrgetter(
    *(field for field in Sample.__struct_fields__ if field not in {*_OWN, "dimensions"})
)


class Columns(NamedTuple):
    """What samples have of their own.

    Attributes:
        codes: For each sample the place of its kind.
        blocks: Number of its block.
        started_at: Start of its measurement, seconds since the epoch.
        values: Its number in its unit; NaN where there is none.
    """

    codes: NDArray[np.int32]
    blocks: NDArray[np.int64]
    started_at: NDArray[np.float64]
    values: NDArray[np.float64]


class Samples(Sequence[Sample]):
    """Samples in the order they were taken, read-only.

    Attributes:
        kinds: One sample of each kind; its block, time and value stand for nothing.
        columns: What each sample has of its own.
    """

    def __init__(self, kinds: Sequence[Sample], columns: Columns) -> None:
        """Take columns of equal length."""
        self.kinds = kinds
        self.columns = columns

    def __len__(self) -> int:
        return len(self.columns.codes)

    @overload
    def __getitem__(self, place: int) -> Sample: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[Sample]: ...
    def __getitem__(self, place: int | slice) -> Sample | Sequence[Sample]:
        if isinstance(place, slice):
            return self.chosen(place)
        if not -len(self) <= place < len(self):
            raise IndexError(f"there are {len(self)} samples, not one at {place}")
        return next(iter(self.chosen(slice(place, place + 1 or None))))

    def __iter__(self) -> Iterator[Sample]:
        rows = zip(*(column.tolist() for column in self.columns), strict=True)
        for code, block, started_at, value in rows:
            yield msgspec.structs.replace(
                self.kinds[code],
                block=block,
                started_at=started_at,
                value=None if value != value else value,  # noqa: PLR0124  # NaN alone differs
            )

    def of(self, *workloads: str) -> Samples:
        """Return those of some workloads."""
        wanted = np.array([kind.workload in workloads for kind in self.kinds], dtype=bool)
        return self.chosen(wanted[self.columns.codes])

    def chosen(self, rows: slice | NDArray[np.bool_]) -> Samples:
        """Return those of some rows."""
        codes, blocks, started_at, values = self.columns
        return Samples(
            self.kinds, Columns(codes[rows], blocks[rows], started_at[rows], values[rows])
        )


def collect(samples: Sequence[Sample]) -> Samples:
    """Return samples as columns; they may be so already."""
    if isinstance(samples, Samples):
        return samples
    kinds = Kinds()
    columns = columns_of(samples, kinds)
    return Samples(kinds.samples, columns)


def columns_of(samples: Sequence[Sample], kinds: Kinds) -> Columns:
    """Return what samples have of their own; kinds not met before are added."""
    return Columns(
        np.array([kinds.of(sample) for sample in samples], dtype=np.int32),
        np.array([sample.block for sample in samples], dtype=np.int64),
        np.array([sample.started_at for sample in samples], dtype=np.float64),
        np.array([sample.value for sample in samples], dtype=np.float64),
    )


def of(samples: Sequence[Sample], *workloads: str) -> Sequence[Sample]:
    """Return the samples of some workloads, without making any other where they are columns."""
    if isinstance(samples, Samples):
        return samples.of(*workloads)
    return [sample for sample in samples if sample.workload in workloads]


class Kinds:
    """The kinds met so far, each with a number.

    Attributes:
        samples: One sample of each kind, in the order of their numbers.
    """

    def __init__(self) -> None:
        """Know none."""
        self.samples: list[Sample] = []
        self._codes: dict[tuple[object, ...], int] = {}
        self._texts: dict[str, str] = {}
        self._dimensions: dict[tuple[str, ...], dict[str, str]] = {}

    def of(self, sample: Sample) -> int:
        """Return the number of a sample's kind."""
        given = sample.dimensions
        dimensions = (*given, *given.values())
        key = (*_common(sample), dimensions)
        code = self._codes.get(key)
        if code is None:
            code = self._codes[key] = len(self.samples)
            self.samples.append(self._shared(sample, dimensions))
        return code

    def _shared(self, sample: Sample, dimensions: tuple[str, ...]) -> Sample:
        """Let a kind share the texts that other kinds have, too."""
        share = self._texts.setdefault
        return msgspec.structs.replace(
            sample,
            run=share(sample.run, sample.run),
            sandbox=share(sample.sandbox, sample.sandbox),
            workload=share(sample.workload, sample.workload),
            metric=share(sample.metric, sample.metric),
            detail=None if sample.detail is None else share(sample.detail, sample.detail),
            dimensions=self._dimensions.setdefault(dimensions, sample.dimensions),
        )
