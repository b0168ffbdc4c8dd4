"""Evidence beside the samples: what an experiment read, kept in the run folder's logs.

Each kind of evidence has a file a sandbox, or a file for several that were looked at together. A
killed run goes on from it, and a report shows it.
"""

from __future__ import annotations

import gzip
import zlib
from typing import TYPE_CHECKING, cast

import msgspec

from benchmarks.errors import RunFolderError
from benchmarks.results import runfolder
from benchmarks.results.records import UNREADABLE, said

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

_PACKED, _LINES = ".json.gz", ".jsonl"


class Evidence[Kept]:
    """One kind of evidence."""

    def __init__(self, stem: str, kind: type[Kept], suffix: str = ".json") -> None:
        """Describe it; no file is touched.

        Args:
            stem: What its files' names begin with.
            kind: Type of what a file holds.
            suffix: ``.json``; ``.json.gz``, packed; ``.jsonl``, a line for each of a list.
        """
        self._stem, self._suffix = stem, suffix
        self._decoder = msgspec.json.Decoder(kind)

    def path(self, logs: Path, *sandboxes: str) -> Path:
        """Return the file of these sandboxes."""
        names = "-to-".join(sandboxes).replace(":", ".")
        return logs / f"{self._stem}-{names}{self._suffix}"

    def write(self, logs: Path, kept: Kept, *sandboxes: str) -> None:
        """Keep it.

        Raises:
            RunFolderError: The file cannot be written.
        """
        if self._suffix == _LINES:
            data = msgspec.json.Encoder().encode_lines(cast("Iterable[object]", kept))
        else:
            data = msgspec.json.encode(kept)
        if self._suffix == _PACKED:
            data = gzip.compress(data, 3, mtime=0)
        runfolder.write_atomically(self.path(logs, *sandboxes), data)

    def read(self, logs: Path, *sandboxes: str) -> Kept | None:
        """Return what was kept of these sandboxes; None where nothing was.

        Raises:
            RunFolderError: The file is damaged.
        """
        path = self.path(logs, *sandboxes)
        return self._decoded(path) if path.exists() else None

    def read_all(self, logs: Path) -> Iterator[Kept]:
        """Return what was kept in all files, by name.

        Raises:
            RunFolderError: A file is damaged.
        """
        for path in sorted(logs.glob(f"{self._stem}-*{self._suffix}")):
            yield self._decoded(path)

    def _decoded(self, path: Path) -> Kept:
        try:
            data = path.read_bytes()
            if self._suffix == _PACKED:
                data = gzip.decompress(data)
            if self._suffix == _LINES:
                data = b"[%b]" % data.strip().replace(b"\n", b",")
            return self._decoder.decode(data)
        except (*UNREADABLE, OSError, EOFError, zlib.error) as error:
            raise RunFolderError(
                f"{path} is damaged ({said(error)}); start a new run, or restore the file from a "
                "copy",
            ) from error
