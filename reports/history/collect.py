"""Collect the values of many runs, each read once: an index keeps them for the next look.

The index lies beside the runs of a folder and is made anew for what has changed; where it cannot be
written nothing is lost but time.
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

import msgspec
import numpy as np

from benchmarks.errors import RunFolderError
from benchmarks.results import output, runfolder
from benchmarks.results.records import UNREADABLE
from reports.errors import EmptyRunError, ReportError
from reports.history.kinds import METHOD, Facts, Kind, RunValues

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

INDEX = ".tare-history"
FORMAT = 1
_PARTS = ("run.json", "samples.jsonl")


class Row(msgspec.Struct, array_like=True):
    """One run, as the index keeps it.

    Attributes:
        name: Name of its folder.
        stamp: Times and sizes of its files: another stamp, and it is read anew.
        run: Its identifier.
        created_at: Seconds since the epoch.
        commit: What was measured, where it says.
        facts: Place of its facts.
        codes: Places of what its values are of (int32).
        values: (codes, 3) lower end, median and upper end (float64).
        failed: Whether each failed (bool).
        why: Why it has no values; empty where it has.
    """

    name: str
    stamp: tuple[int, ...]
    run: str = ""
    created_at: float = 0.0
    commit: str | None = None
    facts: int = 0
    codes: bytes = b""
    values: bytes = b""
    failed: bytes = b""
    why: str = ""


class Index(msgspec.Struct):
    """The file that keeps the runs of a folder."""

    version: tuple[int, int]
    kinds: list[Kind]
    facts: list[Facts]
    rows: list[Row]


class Collected(NamedTuple):
    """Runs in the order of their time.

    Attributes:
        rows: The runs.
        paths: Their folders.
        kinds: What their codes stand for.
        facts: What their facts stand for.
        left_out: Folders that could not be used, with the reason, a sentence each.
    """

    rows: list[Row]
    paths: list[str]
    kinds: list[Kind]
    facts: list[Facts]
    left_out: list[str]

    def table(
        self,
    ) -> tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.float64], NDArray[np.bool_]]:
        """Return the place of the run, code, values and failure of every value."""
        counts = [len(row.codes) // 4 for row in self.rows]
        return (
            np.repeat(np.arange(len(self.rows)), counts),
            np.frombuffer(b"".join(row.codes for row in self.rows), dtype=np.int32),
            np.frombuffer(b"".join(row.values for row in self.rows)).reshape(-1, 3),
            np.frombuffer(b"".join(row.failed for row in self.rows), dtype=np.bool_),
        )


def collect(folders: Sequence[Path]) -> Collected:
    """Read the runs in some folders: run folders, or folders that hold them.

    Raises:
        EmptyRunError: There is no run that can be used.
        RunFolderError: A folder is none, or cannot be read.
    """
    by_parent: dict[Path, list[str]] = {}
    for folder in folders:
        parent, names = _runs(folder)
        by_parent.setdefault(parent, []).extend(names)
    interned = _Interned()
    rows: dict[str, tuple[Row, str]] = {}
    left_out = []
    for parent, names in by_parent.items():
        for row in _indexed(parent, dict.fromkeys(names), interned):
            if row.why:
                left_out.append(f"{output.shown(parent / row.name)}: {row.why}")
            else:
                rows.setdefault(row.run, (row, f"{parent}/{row.name}"))
    if not rows:
        why = f": {left_out[0]}" if left_out else ""
        given = ", ".join(output.shown(folder) for folder in folders)
        raise EmptyRunError(f"{given} holds no run that can be used{why}; give folders of runs")
    ordered = sorted(rows.values(), key=lambda one: (one[0].created_at, one[0].run))
    return Collected(
        [row for row, _ in ordered],
        [path for _, path in ordered],
        list(interned.kinds),
        interned.facts,
        left_out,
    )


def _runs(folder: Path) -> tuple[Path, list[str]]:
    """Return the folder that holds runs, and their names."""
    absolute = folder.absolute()
    if (absolute / _PARTS[0]).exists():
        return absolute.parent, [absolute.name]
    try:
        inner = sorted(os.listdir(absolute))  # noqa: PTH208  # as for a stamp
    except OSError as error:
        raise RunFolderError(f"cannot read {output.shown(folder)}: {error.strerror}") from error
    return absolute, [
        name
        for name in inner
        if os.path.exists(f"{absolute}/{name}/{_PARTS[0]}")  # noqa: PTH110  # likewise
    ]


class _Interned:
    """What many runs have in common, each once."""

    def __init__(self) -> None:
        self.kinds: dict[Kind, int] = {}
        self.facts: list[Facts] = []
        self._facts: dict[bytes, int] = {}

    def kind(self, kind: Kind) -> int:
        return self.kinds.setdefault(kind, len(self.kinds))

    def fact(self, facts: Facts) -> int:
        key = msgspec.msgpack.encode(facts)
        if key not in self._facts:
            self._facts[key] = len(self.facts)
            self.facts.append(facts)
        return self._facts[key]


def _indexed(parent: Path, names: Iterable[str], interned: _Interned) -> list[Row]:
    """Return the runs of one folder, from its index where they are as they were."""
    file = parent / INDEX
    known = _load(file)
    kinds = np.array([interned.kind(kind) for kind in known.kinds], dtype=np.int32)
    facts = [interned.fact(one) for one in known.facts]
    before = {row.name: row for row in known.rows}
    for old in before.values():
        old.codes = kinds[np.frombuffer(old.codes, dtype=np.int32)].tobytes()
        old.facts = facts[old.facts] if facts else 0
    rows, fresh = [], False
    for name in names:
        now = _stamp(f"{parent}/{name}")
        row = before.pop(name, None)
        if row is None or row.stamp != now:
            row, fresh = _read(parent / name, now, interned), True
        rows.append(row)
    if fresh:  # those that nobody asked for this time stay, while they are there
        others = [row for name, row in before.items() if (parent / name).is_dir()]
        _save(file, [*rows, *others], interned)
    return rows


def _load(file: Path) -> Index:
    with suppress(OSError, *UNREADABLE):
        found = msgspec.msgpack.decode(file.read_bytes(), type=Index)
        if found.version == (FORMAT, METHOD) and _sound(found):
            return found
    return Index((FORMAT, METHOD), [], [], [])


def _sound(index: Index) -> bool:
    """Whether what an index says fits together, so that it may be believed."""
    for row in index.rows:
        count = len(row.failed)
        if (len(row.codes), len(row.values)) != (4 * count, 24 * count):
            return False
        codes = np.frombuffer(row.codes, dtype=np.int32)
        if count and not (codes.min() >= 0 and codes.max() < len(index.kinds)):
            return False
        if not row.why and not 0 <= row.facts < len(index.facts):
            return False
    return True


def _save(file: Path, rows: list[Row], interned: _Interned) -> None:
    index = Index((FORMAT, METHOD), list(interned.kinds), interned.facts, rows)
    with suppress(OSError):
        output.replace(file, msgspec.msgpack.encode(index))


def stamp(folder: Path) -> tuple[int, ...]:
    """Return what tells whether a run is as it was: times and sizes of its files."""
    return _stamp(str(folder))


def _stamp(folder: str) -> tuple[int, ...]:
    """Do it without a Path, of which ten thousand take as long as all the rest."""
    found: list[int] = []
    for part in _PARTS:
        try:
            status = os.stat(f"{folder}/{part}")  # noqa: PTH116  # see above
        except OSError:
            continue
        found += [status.st_mtime_ns, status.st_size]
    return tuple(found)


def _read(folder: Path, now: tuple[int, ...], interned: _Interned) -> Row:
    from reports.history.values import values  # pandas: an index has no need of it
    from reports.model.presentable import presentable

    try:
        found = values(presentable(runfolder.load(folder)))
    except (RunFolderError, ReportError) as error:
        return Row(folder.name, now, why=str(error))
    return _row_of(folder.name, now, found, interned)


def _row_of(name: str, now: tuple[int, ...], found: RunValues, interned: _Interned) -> Row:
    """Return a run as the index keeps it."""
    codes = np.array([interned.kind(kind) for kind in found.kinds], dtype=np.int32)
    return Row(
        name,
        now,
        found.run,
        found.created_at,
        found.commit,
        interned.fact(found.facts),
        codes.tobytes(),
        found.values.tobytes(),
        np.array(found.failed, dtype=np.bool_).tobytes(),
    )
