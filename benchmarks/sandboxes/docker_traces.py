"""What a killed tare left at docker's daemon: containers, images and named pipes by their label.

The label names the state folder, so that nobody else's are touched, and the helper that made it,
which must have ended.
"""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

from runtime import record

if TYPE_CHECKING:
    from pathlib import Path

LABEL = "tare.state"
"""Label that holds the state folder of whoever made it."""

OWNER = "tare.owner"
"""Label that holds the helper's name."""

FIFO = ".fifo"
"""Ending of the named pipes on which first bytes come."""

_ASKED_S = 30.0


def leftovers(folder: Path) -> list[str]:
    """Name what is left; changes nothing.

    Args:
        folder: State folder of one docker sandbox.
    """
    found = [f"named pipe {path}" for path in _pipes(folder)]
    for kind, name, _ in _labelled(folder):
        found.append(f"docker {kind} {name}")
    return found


def clean(folder: Path) -> list[str]:
    """Remove it; returns what was removed, in words."""
    removed = []
    for path in _pipes(folder):
        path.unlink(missing_ok=True)
        removed.append(f"named pipe {path}")
    for kind, name, verb in _labelled(folder):
        if _docker(*verb, name) is not None:
            removed.append(f"docker {kind} {name}")
    return removed


def _pipes(folder: Path) -> list[Path]:
    found = sorted(folder.glob(f"tare-*{FIFO}")) if folder.is_dir() else []
    return [path for path in found if not _lives(folder, "-".join(path.name.split("-")[:2]))]


def _labelled(folder: Path) -> list[tuple[str, str, tuple[str, ...]]]:
    """Return kind, name and the command that removes it; containers before images."""
    if not folder.name.startswith("docker") or shutil.which("docker") is None:
        return []
    wanted = ("--filter", f"label={LABEL}={folder.resolve()}")
    owner = f'{{{{.Label "{OWNER}"}}}}'
    found: list[tuple[str, str, tuple[str, ...]]] = []
    containers = _docker("ps", "--all", *wanted, "--format", f"{{{{.Names}}}} {owner}") or ""
    for name, _, helper in (line.partition(" ") for line in containers.splitlines()):
        if not _lives(folder, helper):
            found.append(("container", name, ("rm", "--force", "--volumes")))
    images = (
        _docker("images", *wanted, "--format", "{{.Repository}} {{.Repository}}:{{.Tag}}") or ""
    )
    for helper, _, name in (line.partition(" ") for line in images.splitlines()):
        if not _lives(folder, helper):
            found.append(("image", name, ("image", "rm", "--force")))
    return found


def _lives(folder: Path, helper: str) -> bool:
    found = record.read(folder / helper)
    return found is not None and record.spawner_lives(found)


def _docker(*words: str) -> str | None:
    """Return what docker says; None where it fails, as it does without a daemon."""
    try:
        done = subprocess.run(
            ("docker", *words),
            capture_output=True,
            text=True,
            check=False,
            timeout=_ASKED_S,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None
