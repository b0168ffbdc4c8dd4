"""Reads a journal of any length into columns.

Lines are taken a few mebibytes at a time, and every line's checksum is compared. Nearly all lines
hold a sample with a number: they are cut where its own three numbers stand, the numbers are decoded
together, and what is left of a line names its kind, whose JSON is decoded once. Any other line is
decoded by itself, with the same result.
"""

from __future__ import annotations

import io
import re
import zlib
from typing import TYPE_CHECKING, NamedTuple

import msgspec
import numpy as np

from benchmarks.errors import RunFolderError
from benchmarks.results.journal import SampleLine, Visit
from benchmarks.results.records import UNREADABLE, Moment, Whole, said
from benchmarks.results.sample_table import Columns, Kinds, Samples, columns_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from benchmarks.results.records import Sample

_PIECE_BYTES = 4 << 20
_FORM = re.compile(rb'\{"crc":([0-9]{1,10}),"body":(\{.*\})\}\n')
"""A line, as ``journal.encode`` writes it: the checksum tells whether the rest was so written."""

_AROUND = len(b'{"crc":,"body":}\n')
_SAMPLE = re.compile(rb'\{"type":"sample","sample":\{"run":"[^"\\]*","block":')
_AT, _VALUE = b'tarted_at":', b'"value":'
"""What stands before two of the numbers, behind the blank spots where a sample's line is cut."""

_decode_entry = msgspec.json.Decoder(SampleLine | Visit).decode
_decode_line = msgspec.json.Decoder(SampleLine).decode
_decode_whole = msgspec.json.Decoder(list[Whole]).decode
_decode_real = msgspec.json.Decoder(list[Moment]).decode
_decode_some = msgspec.json.Decoder(list[float | None]).decode


class Journal(NamedTuple):
    """What a journal holds.

    Attributes:
        samples: The samples of closed visits, in the order they were taken.
        visits: The closed visits.
        discarded: Lines of visits that never closed, torn last line included.
    """

    samples: Samples
    visits: list[Visit]
    discarded: int


def read(path: Path) -> Journal:
    """Read a journal, leaving out visits that never closed.

    Raises:
        RunFolderError: The file cannot be read, a line before the last is damaged, or one holds
            something else.
    """
    reader = _Reader(path)
    try:
        for piece in _pieces(path):
            reader.take(piece)
    except OSError as error:
        raise RunFolderError(f"cannot read the journal {path}: {error.strerror}") from error
    return reader.result()


def _pieces(path: Path) -> Iterator[bytes]:
    """Cut a file behind the last newline of every few mebibytes; only its end may lack one."""
    with path.open("rb") as file:
        begun: list[bytes] = []
        while read := file.read(_PIECE_BYTES):
            end = read.rfind(b"\n") + 1
            if end:
                yield b"".join([*begun, read[:end]])
                begun = []
            begun.append(read[end:])
        if rest := b"".join(begun):
            yield rest


class _Reader:
    def __init__(self, path: Path) -> None:
        self._path = path
        self._kinds = Kinds()
        self._codes: dict[tuple[bytes, bytes, bytes], int] = {}
        self._prefix = b"none yet"
        self._columns = [columns_of([], self._kinds)]
        self._samples = 0
        self._visits: list[Visit] = []
        self._closed_at: list[int] = []
        self._lines = 0
        self._damaged = 0

    def take(self, piece: bytes) -> None:
        """Read whole lines, the last of the file perhaps torn."""
        found = [] if self._damaged else _FORM.findall(piece)
        length = sum(len(crc) + len(body) + _AROUND for crc, body in found)
        # Every byte lies in a line, and every line is what was written.
        if length == len(piece) and all(zlib.crc32(body) == int(crc) for crc, body in found):
            try:
                self._take_bodies([body for _, body in found])
            except UNREADABLE:
                self._take_lines(piece)
            else:
                self._lines += len(found)
        else:
            self._take_lines(piece)

    def _take_bodies(self, bodies: Sequence[bytes]) -> None:
        """Read what whole lines hold.

        Raises:
            msgspec.DecodeError: One of them is not as it should be; nothing was read then.
        """
        codes: list[int] = []
        blocks, times, values = [], [], []
        visits: list[tuple[Visit, int]] = []
        known, prefix = self._codes, self._prefix
        for body in bodies:
            if body.startswith(prefix):
                parts = body[len(prefix) :].split(b',"s', 3)
                own = parts[-1].split(b",", 2)
                if len(own) == 3 and own[1].startswith(_VALUE):  # noqa: PLR2004  # time, value, rest
                    key = (parts[1], parts[2], own[2])
                    code = known.get(key)
                    if code is None:
                        code = known[key] = self._kinds.of(_decode_line(body).sample)
                    codes.append(code)
                    blocks.append(parts[0])
                    times.append(own[0][len(_AT) :])
                    values.append(own[1][len(_VALUE) :])
                    continue
            entry = _decode_entry(body)
            if isinstance(entry, Visit):
                visits.append((entry, self._samples + len(codes)))
                continue
            prefix = self._prefix = self._prefix if self._codes else _prefix_of(body)
            sample = entry.sample
            codes.append(self._kinds.of(sample))
            blocks.append(b"%d" % sample.block)
            times.append(msgspec.json.encode(sample.started_at))
            values.append(msgspec.json.encode(sample.value))
        columns = Columns(
            np.array(codes, dtype=np.int32),
            np.array(_decode_whole(_listed(blocks)), dtype=np.int64),
            np.array(_decode_real(_listed(times)), dtype=np.float64),
            np.array(_decode_some(_listed(values)), dtype=np.float64),
        )
        for visit, taken in visits:
            self._close(visit, taken)
        self._add(columns)

    def _take_lines(self, piece: bytes) -> None:
        samples: list[Sample] = []
        for raw in io.BytesIO(piece):
            if self._damaged:
                raise RunFolderError(
                    f"{self._path}:{self._damaged}: the line is damaged (its checksum does not "
                    "match); the run cannot be trusted, restore it from a copy or measure again",
                )
            self._lines += 1
            try:
                entry = _decoded(raw)
            except UNREADABLE as error:
                raise RunFolderError(
                    f"{self._path}:{self._lines}: the line is whole, but holds neither a sample "
                    f"nor a visit: {said(error)}; restore the run from a copy, or measure again"
                ) from error
            if entry is None:
                self._damaged = self._lines
            elif isinstance(entry, SampleLine):
                samples.append(entry.sample)
            else:
                self._close(entry, self._samples + len(samples))
        self._add(columns_of(samples, self._kinds))

    def _add(self, columns: Columns) -> None:
        self._columns.append(columns)
        self._samples += len(columns.codes)

    def _close(self, visit: Visit, taken: int) -> None:
        """Note a visit behind so many samples."""
        self._visits.append(visit)
        self._closed_at.append(taken)

    def result(self) -> Journal:
        """Return what was read, without the samples of visits that never closed."""
        columns = Columns(*map(np.concatenate, zip(*self._columns, strict=True)))
        whole = Samples(self._kinds.samples, columns)
        closed = np.zeros(self._samples, dtype=bool)
        begin = 0
        for visit, end in zip(self._visits, self._closed_at, strict=True):
            closed[max(begin, end - visit.samples) : end] = True
            begin = end
        kept = whole if closed.all() else whole.chosen(closed)
        discarded = self._samples - len(kept) + bool(self._damaged)
        return Journal(kept, self._visits, discarded)


def _prefix_of(body: bytes) -> bytes:
    """Return what stands before the block in this sample's line and, as a rule, in all others."""
    found = _SAMPLE.match(body)
    return found[0] if found else b"none yet"


def _listed(numbers: Iterable[bytes]) -> bytes:
    """Return numbers as one JSON array: decoding it takes a tenth of decoding each by itself."""
    return b"[%b]" % b",".join(numbers)


def _decoded(raw: bytes) -> SampleLine | Visit | None:
    """Decode one line; None for one that is not what was written.

    Raises:
        msgspec.DecodeError: It is as it was written, and no sample or visit.
        RecursionError: Likewise.
    """
    match = _FORM.fullmatch(raw)
    if match is None or zlib.crc32(match[2]) != int(match[1]):
        return None
    entry: SampleLine | Visit = _decode_entry(match[2])
    return entry
