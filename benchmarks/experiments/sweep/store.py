"""Where a run keeps its sweeps: what was read, packed, and the verdict on every file, in lines."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING

import msgspec

from benchmarks.errors import RunFolderError
from benchmarks.experiments.sweep.model import FileFinding, Sweep
from benchmarks.results import runfolder

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


def write_readings(logs: Path, sandbox: str, sweep: Sweep) -> None:
    """Keep what was read."""
    packed = gzip.compress(msgspec.json.encode(sweep), 3, mtime=0)
    runfolder.write_atomically(_readings(logs, sandbox), packed)


def read_readings(logs: Path, sandbox: str) -> Sweep | None:
    """Return what was read; None where nothing was.

    Raises:
        RunFolderError: The file is damaged.
    """
    path = _readings(logs, sandbox)
    try:
        return msgspec.json.decode(gzip.decompress(path.read_bytes()), type=Sweep)
    except FileNotFoundError:
        return None
    except (msgspec.DecodeError, OSError, EOFError) as error:
        raise _damaged(path, error) from error


def write_verdicts(logs: Path, sandbox: str, findings: Sequence[FileFinding]) -> None:
    """Keep the verdicts, one line a file."""
    lines = msgspec.json.Encoder().encode_lines(findings)
    runfolder.write_atomically(verdicts_path(logs, sandbox), lines)


def read_verdicts(logs: Path, sandbox: str) -> list[FileFinding]:
    """Return the verdicts; none where the sandbox was not swept.

    Raises:
        RunFolderError: The file is damaged.
    """
    path = verdicts_path(logs, sandbox)
    try:
        return msgspec.json.Decoder(FileFinding).decode_lines(path.read_bytes())
    except FileNotFoundError:
        return []
    except msgspec.DecodeError as error:
        raise _damaged(path, error) from error


def verdicts_path(logs: Path, sandbox: str) -> Path:
    """Return the file that holds a sandbox's verdicts."""
    return logs / f"sweep-{sandbox.replace(':', '.')}.jsonl"


def _readings(logs: Path, sandbox: str) -> Path:
    return logs / f"sweep-{sandbox.replace(':', '.')}.json.gz"


def _damaged(path: Path, error: Exception) -> RunFolderError:
    return RunFolderError(
        f"{path} is damaged ({error}); start a new run, or restore the file from a copy",
    )
