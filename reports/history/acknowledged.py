"""Read the file of acknowledgements: changes that somebody has looked at, with the reason.

::

    [[acknowledged]]
    series = "container startup startup_main_s"   # * and ? stand for any
    change = "quick-20260612T031500-4711"         # a run within the change's interval
    reason = "the profile mounts /proc anew since then"
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

import msgspec

from benchmarks.results.records import said
from benchmarks.workloads import toml_places
from reports.errors import ReportError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


class AcknowledgementError(ReportError):
    """The file of acknowledgements cannot be used."""


class Acknowledgement(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One change that is no alarm any more."""

    series: str
    change: str
    reason: str

    def covers(self, series: str, runs: Sequence[str]) -> bool:
        """Whether it means a change of a series that may be at any of some runs."""
        return fnmatchcase(series, self.series) and self.change in runs


class _File(msgspec.Struct, forbid_unknown_fields=True):
    acknowledged: tuple[Acknowledgement, ...] = ()


def load(path: Path) -> tuple[Acknowledgement, ...]:
    """Read a file of acknowledgements.

    Raises:
        AcknowledgementError: It cannot be read, or is not what it should be.
    """
    data = toml_places.read(path, "file of acknowledgements", AcknowledgementError)[1]
    try:
        found = msgspec.convert(data, _File)
    except msgspec.ValidationError as error:
        raise AcknowledgementError(
            f"{path}: {said(error)}; an entry is [[acknowledged]] with series, change and reason"
        ) from error
    for one in found.acknowledged:
        if not one.reason.strip():
            raise AcknowledgementError(f"{path}: {one.series} at {one.change} has no reason")
    return found.acknowledged
