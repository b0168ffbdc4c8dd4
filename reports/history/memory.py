"""Remember the changes of series, so that only those with new runs are searched again."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from typing import TYPE_CHECKING

import msgspec

from benchmarks.results import output
from benchmarks.results.records import UNREADABLE
from reports.history import changepoints
from reports.history.changepoints import Change

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

NAME = ".tare-history-changes"
_FORMAT = 1


class _Known(msgspec.Struct):
    version: int
    changes: dict[str, list[Change]]


class Memory:
    """Finds the changes of many series, or remembers them."""

    def __init__(self, folder: Path) -> None:
        """Remember what a file in a folder holds; where there is none, nothing."""
        self._file = folder / NAME

    def find(self, series: Sequence[NDArray[np.float64]]) -> list[list[Change]]:
        """Return the changes of each series, as ``changepoints.find`` does."""
        known = self._load()
        digests = [hashlib.sha256(values.tobytes()).hexdigest() for values in series]
        new = [
            place
            for place, digest in enumerate(digests)
            if digest not in known or not _sound(known[digest], len(series[place]))
        ]
        if new:
            found = changepoints.find([series[place] for place in new])
            known |= {digests[place]: one for place, one in zip(new, found, strict=True)}
            kept = _Known(_FORMAT, {digest: known[digest] for digest in digests})
            with suppress(OSError):
                output.replace(self._file, msgspec.msgpack.encode(kept))
        return [known[digest] for digest in digests]

    def _load(self) -> dict[str, list[Change]]:
        with suppress(OSError, *UNREADABLE):
            found = msgspec.msgpack.decode(self._file.read_bytes(), type=_Known)
            if found.version == _FORMAT:
                return found.changes
        return {}


def _sound(changes: Sequence[Change], length: int) -> bool:
    """Whether changes lie within a series, one behind the other."""
    ends = [0]
    for one in changes:
        inside = ends[-1] < one.at and 0 < one.low <= one.at <= one.high < length
        if not inside or one.at - one.before < 0 or one.at + one.after > length:
            return False
        ends.append(one.at)
    return True
