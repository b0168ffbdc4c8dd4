"""What a killed tare left at docker's daemon: containers and images by their labels.

A note in the state folder names the daemon, whatever docker's context is by now. The labels name
that folder and the helper that made them, which must have ended; nobody else's are touched.
"""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

from runtime.harness import record

if TYPE_CHECKING:
    from pathlib import Path

LABEL = "tare.state"
"""Label that holds the state folder of whoever made it."""

OWNER = "tare.owner"
"""Label that holds the helper's name."""

DAEMON = ".daemon"
"""Ending of the notes that say at which daemon a helper has made things."""

FIFO = ".fifo"
"""Ending of the named pipes on which first bytes come."""

_ASKED_S = 30.0


def leftovers(folder: Path) -> list[str]:
    """Name what is left; changes nothing.

    Args:
        folder: State folder of one docker sandbox.
    """
    found = [f"named pipe {path}" for path in _left(folder, FIFO)]
    for note in _left(folder, DAEMON):
        try:
            found += [f"docker {kind} {name}" for kind, name, _ in _labelled(folder, note)]
        except OSError as error:
            found.append(_unasked(note, error))
        else:
            found.append(f"note {note}")
    return list(dict.fromkeys(found))


def clean(folder: Path) -> list[str]:
    """Remove it; returns what was removed, in words, and what could not be."""
    removed = []
    for path in _left(folder, FIFO):
        path.unlink(missing_ok=True)
        removed.append(f"named pipe {path}")
    for note in _left(folder, DAEMON):
        try:
            for kind, name, verb in _labelled(folder, note):
                _docker(note, *verb, name)
                removed.append(f"docker {kind} {name}")
        except OSError as error:
            removed.append(_unasked(note, error))
        else:
            note.unlink(missing_ok=True)
            removed.append(f"note {note}")
    return removed


def _unasked(note: Path, error: OSError) -> str:
    return (
        f"not removed: what {_helper(note)} may have left at docker's daemon at "
        f"{note.read_text()} ({error}); start it and clean again, or delete {note}"
    )


def _helper(path: Path) -> str:
    """Return the name of the helper that a file in the state folder is named after."""
    return "-".join(path.stem.split("-")[:2])


def _left(folder: Path, ending: str) -> list[Path]:
    found = sorted(folder.glob(f"tare-*{ending}")) if folder.is_dir() else []
    return [path for path in found if not _lives(folder, _helper(path))]


def _labelled(folder: Path, note: Path) -> list[tuple[str, str, tuple[str, ...]]]:
    """Return kind, name and the command that removes it; containers before images.

    Raises:
        OSError: Docker's daemon does not answer.
    """
    wanted = (
        "--filter", f"label={LABEL}={folder.resolve()}",
        "--filter", f"label={OWNER}={_helper(note)}",
    )  # fmt: skip
    containers = _docker(note, "ps", "--all", *wanted, "--format", "{{.Names}}").split()
    images = _docker(note, "images", *wanted, "--format", "{{.Repository}}:{{.Tag}}").split()
    return [
        *(("container", name, ("rm", "--force", "--volumes")) for name in containers),
        *(("image", name, ("image", "rm", "--force")) for name in images),
    ]


def _lives(folder: Path, helper: str) -> bool:
    found = record.read(folder / helper)
    return found is not None and record.spawner_lives(found)


def _docker(note: Path, *words: str) -> str:
    """Return what docker says of the daemon that a note names.

    Raises:
        OSError: It failed, as it does without a daemon; with what it said.
    """
    try:
        done = subprocess.run(
            ("docker", "--host", note.read_text(), *words),
            capture_output=True,
            text=True,
            check=False,
            timeout=_ASKED_S,
        )
    except subprocess.TimeoutExpired as error:
        raise TimeoutError(f"it does not answer within {_ASKED_S:g} s") from error
    if done.returncode != 0:
        raise OSError(done.stderr.strip().replace("\n", "; ") or "docker failed")
    return done.stdout
