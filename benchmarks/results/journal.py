"""The append-only journal ``samples.jsonl``.

One JSON object a line, each with the CRC-32 of its own body. The samples of one visit (one start
of one sandbox in one block) are written together, synced, and closed by a ``visit`` line that
counts them; a visit without its closing line never happened, so a killed run measures it again.
"""

from __future__ import annotations

import os
import zlib
from typing import TYPE_CHECKING, Self

import msgspec

from benchmarks.errors import RunFolderError
from benchmarks.results.records import Sample, Seconds, Whole

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from types import TracebackType

_encoder = msgspec.json.Encoder()


class Visit(msgspec.Struct, frozen=True, kw_only=True, tag="visit"):
    """Closes the samples of one visit.

    Attributes:
        block: Number of the block.
        sandbox: Name of the sandbox.
        samples: How many sample lines directly before this one belong to the visit.
        seconds: Wall time of the whole visit, for planning the rest of the budget.
        part: ``start`` for a start and what was run on it; ``ready`` for a start that
            ended there; ``repeated`` for further starts in the same block; ``density``,
            ``parallel``, ``cold`` and ``network`` for what starts instances of its own in every
            block; else the name of
            an experiment that is done once in a run, such as ``probes``.
        meanwhile: What the host did during it: steal, pressure, load (``host.meanwhile``).
        wall_s: Wall time since the visit before was closed, or since the sandboxes were open; None
            in journals that do not say.
        dead_s: What of ``wall_s`` went neither into preparing (starting, settling, stopping) nor
            into measuring: watching the host, judging, writing the journal, telling the user.
    """

    block: Whole
    sandbox: str
    samples: Whole
    seconds: Seconds
    part: str = "start"
    meanwhile: dict[str, float] = {}
    wall_s: Seconds | None = None
    dead_s: float | None = None


class SampleLine(msgspec.Struct, frozen=True, tag="sample", gc=False):
    """A line that holds one sample.

    Attributes:
        sample: It.
    """

    sample: Sample


class JournalWriter:
    """Appends visits to a journal; the cost of a visit does not depend on the file's length."""

    def __init__(self, path: Path) -> None:
        """Open ``path`` for appending, cutting a torn last line off first.

        Raises:
            RunFolderError: The file cannot be opened or written.
        """
        self._path = path
        try:
            self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            self._end = _whole_lines_end(self._descriptor)
            os.ftruncate(self._descriptor, self._end)
        except OSError as error:
            raise RunFolderError(f"cannot open the journal {path}: {error.strerror}") from error

    def append(self, samples: Sequence[Sample], visit: Visit) -> None:
        """Write one closed visit and sync it to disk.

        Raises:
            RunFolderError: The file was moved or removed: what is written would be lost. Or the
                disk is full or failing; the journal is cut back to its last closed visit, so
                nothing written before is lost.
        """
        data = encode(samples, visit)
        self._refuse_vanished()
        try:
            written = 0
            while written < len(data):
                written += os.pwrite(self._descriptor, data[written:], self._end + written)
            os.fdatasync(self._descriptor)
        except OSError as error:
            os.ftruncate(self._descriptor, self._end)
            raise RunFolderError(
                f"cannot write to {self._path}: {error.strerror}; free some space and continue "
                "with --resume",
            ) from error
        self._end += len(data)

    def _refuse_vanished(self) -> None:
        """Find out that the file's name is another's or nobody's any more.

        Raises:
            RunFolderError: So it is.
        """
        try:
            there = os.path.samestat(self._path.stat(), os.fstat(self._descriptor))
        except OSError:
            there = False
        if not there:
            raise RunFolderError(
                f"{self._path} was moved or removed while the campaign ran, so it ends here; what "
                "was measured is wherever that file is now, and --resume there goes on",
            )

    def close(self) -> None:
        """Close the file."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def encode(samples: Sequence[Sample], visit: Visit) -> bytes:
    """Return the lines of one closed visit."""
    return b"".join([*(_line(SampleLine(sample)) for sample in samples), _line(visit)])


def _line(entry: SampleLine | Visit) -> bytes:
    body = _encoder.encode(entry)
    return b'{"crc":%d,"body":%b}\n' % (zlib.crc32(body), body)


def _whole_lines_end(descriptor: int) -> int:
    """Return the offset just behind the last newline."""
    end = os.fstat(descriptor).st_size
    chunk = 1 << 16
    while end > 0:
        start = max(0, end - chunk)
        found = os.pread(descriptor, end - start, start).rfind(b"\n")
        if found >= 0:
            return start + found + 1
        end = start
    return 0
