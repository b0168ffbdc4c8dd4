"""Run folders: where a campaign's results live.

``run.json`` says what was measured, ``samples.jsonl`` is the journal, ``logs/`` keeps consoles and
tool output. Files other than the journal are written beside their place and renamed in.
"""

from __future__ import annotations

import fcntl
import os
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from benchmarks import nearest
from benchmarks.errors import RunFolderError, RunLockedError
from benchmarks.results import output
from benchmarks.results.records import SCHEMA_VERSION, UNREADABLE, RunInfo, said

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from benchmarks.results.journal import Visit
    from benchmarks.results.records import Sample


class _Version(msgspec.Struct):
    schema: int


class Run(NamedTuple):
    """A run folder, read.

    Attributes:
        path: The folder.
        info: The content of ``run.json``.
        samples: Samples of closed visits, in the order they were taken.
        visits: The closed visits.
        discarded: Journal lines of visits that never closed.
    """

    path: Path
    info: RunInfo
    samples: Sequence[Sample]
    visits: list[Visit]
    discarded: int


def begin(path: Path, info: RunInfo | None = None) -> None:
    """Make the folder of a new run, with its logs; one that was only begun may be taken again.

    Args:
        path: The folder.
        info: What is known of the run before its sandboxes are open: enough to resume it.

    Raises:
        RunFolderError: The folder exists with a run in it, or cannot be made.
    """
    if (path / "run.json").exists() and not is_begun(load_info(path)):
        raise RunFolderError(
            f"{path} already holds a run; give another --out, or continue it with --resume",
        )
    try:
        (path / "logs").mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunFolderError(f"cannot create the run folder {path}: {error.strerror}") from error
    if info is not None:
        _describe(path, info)


def is_begun(info: RunInfo) -> bool:
    """Tell whether a run was only begun: its sandboxes were never open, so nothing is measured."""
    return not info.sandboxes


def abandon(path: Path) -> None:
    """Remove what ``begin`` made, where nothing came of it; never raises."""
    with suppress(OSError, RunFolderError):
        if is_begun(load_info(path)):
            (path / "run.json").unlink()
            (path / "logs").rmdir()
            path.rmdir()


def create(path: Path, info: RunInfo) -> None:
    """Make a new run folder, or describe the run in one that was begun.

    Raises:
        RunFolderError: As for ``begin``, or it cannot be written.
    """
    begin(path, info)


def _describe(path: Path, info: RunInfo) -> None:
    write_atomically(path / "run.json", msgspec.json.format(msgspec.json.encode(info), indent=2))


def load(path: Path) -> Run:
    """Read a run folder.

    Raises:
        RunFolderError: It is not a run folder, was written by a newer tare, or is damaged.
    """
    info = load_info(path)
    if is_begun(info):
        raise RunFolderError(
            f"{path} was ended before anything was measured; continue it with --resume"
        )
    samples_path = path / "samples.jsonl"
    if not samples_path.exists():
        return Run(path, info, [], [], 0)
    from benchmarks.results import reader  # numpy, which a new campaign need not wait for

    content = reader.read(samples_path)
    return Run(path, info, content.samples, content.visits, content.discarded)


def load_info(path: Path) -> RunInfo:
    """Read only ``run.json``.

    Raises:
        RunFolderError: As for ``load``.
    """
    file = path / "run.json"
    try:
        data = file.read_bytes()
    except FileNotFoundError as error:
        raise RunFolderError(
            f"{path} is not a run folder: it has no run.json; {_meant(path)}",
        ) from error
    except OSError as error:
        raise RunFolderError(f"cannot read {file}: {error.strerror}") from error
    try:
        schema = msgspec.json.decode(data, type=_Version).schema
        if schema != SCHEMA_VERSION:
            raise RunFolderError(
                f"{file} has schema {schema}, this tare reads schema {SCHEMA_VERSION}; "
                "use the version of tare that wrote it",
            )
        return msgspec.json.decode(data, type=RunInfo)
    except UNREADABLE as error:
        raise RunFolderError(f"{file} is not a run description: {said(error)}") from error


def _meant(path: Path) -> str:
    """Return what to give in the place of a path that is no run folder."""
    beside: list[str] = []
    with suppress(OSError, ValueError):
        beside = [str(file.parent) for file in path.parent.glob("*/run.json")]
    near = nearest.find(str(path), beside)
    return f"did you mean {near!r}?" if near else "give a folder that `tare run` made"


def write_atomically(path: Path, data: bytes) -> None:
    """Write a file so that a reader, or a crash, sees the old content or the new, never a part.

    Raises:
        RunFolderError: The file cannot be written.
    """
    try:
        output.replace(path, data)
    except OSError as error:
        raise RunFolderError(f"cannot write {path}: {error.strerror}") from error


@contextmanager
def campaign_lock(path: Path, holder: str) -> Iterator[None]:
    """Hold the host-wide lock under which campaigns run, so that two never disturb each other.

    Args:
        path: The lock file; its content names the holder.
        holder: What another campaign is told about this one.

    Raises:
        RunLockedError: Another live campaign holds the lock.
        RunFolderError: The lock file cannot be used.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise RunFolderError(f"cannot use the lock {path}: {error.strerror}") from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            other = os.pread(descriptor, 4096, 0).decode(errors="replace").strip()
            raise RunLockedError(
                f"another campaign is running ({other or 'unnamed'}); two at once would measure "
                "each other, so wait until it has ended, as `tare run --wait` does",
            ) from error
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{holder}\n".encode(errors="backslashreplace"), 0)
        yield
        os.ftruncate(descriptor, 0)
    finally:
        os.close(descriptor)
