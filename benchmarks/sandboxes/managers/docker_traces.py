"""Find and remove the containers and images that a killed tare left at docker's daemon.

A note in the state folder names the daemon, because docker's context may have changed since. The
labels name that folder and the helper that made them, which must have ended. Nothing else is
touched.
"""

import subprocess
from pathlib import Path

from runtime.harness import record

LABEL = "tare.state"
"""Label that holds the state folder of the sandbox that made the object."""

OWNER = "tare.owner"
"""Label that holds the helper's name."""

DAEMON = ".daemon"
"""Suffix of the notes that name the daemon of a helper."""

FIFO = ".fifo"
"""Suffix of the named pipes on which first bytes come."""

_ANSWER_S = 30.0


def leftovers(folder: Path) -> list[str]:
    """Name what is left; change nothing.

    Args:
        folder: State folder of one docker sandbox.
    """
    found = [f"named pipe {path}" for path in _abandoned(folder, FIFO)]
    for note in _abandoned(folder, DAEMON):
        try:
            found += [f"docker {kind} {name}" for kind, name, _ in _labelled(folder, note)]
        except OSError as error:
            found.append(_not_asked(note, error))
        else:
            found.append(f"note {note}")
    return list(dict.fromkeys(found))


def clean(folder: Path) -> list[str]:
    """Remove it; return what was removed and what could not be, in words."""
    removed = []
    for path in _abandoned(folder, FIFO):
        path.unlink(missing_ok=True)
        removed.append(f"named pipe {path}")
    for note in _abandoned(folder, DAEMON):
        try:
            for kind, name, verb in _labelled(folder, note):
                _docker(note, *verb, name)
                removed.append(f"docker {kind} {name}")
        except OSError as error:
            removed.append(_not_asked(note, error))
        else:
            note.unlink(missing_ok=True)
            removed.append(f"note {note}")
    return removed


def _not_asked(note: Path, error: OSError) -> str:
    return (
        f"not removed: what {_helper(note)} may have left at docker's daemon at "
        f"{note.read_text()} ({error}); start it and clean again, or delete {note}"
    )


def _helper(path: Path) -> str:
    """Return the name of the helper that a file in the state folder is named after."""
    return "-".join(path.stem.split("-")[:2])


def _abandoned(folder: Path, suffix: str) -> list[Path]:
    found = sorted(folder.glob(f"tare-*{suffix}")) if folder.is_dir() else []
    return [path for path in found if not _is_alive(folder, _helper(path))]


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


def _is_alive(folder: Path, helper: str) -> bool:
    found = record.read(folder / helper)
    return found is not None and record.spawner_lives(found)


def _docker(note: Path, *words: str) -> str:
    """Run a docker command at the daemon that a note names; return its output.

    Raises:
        OSError: It failed, as it does without a daemon; with what it printed.
    """
    try:
        done = subprocess.run(
            ("docker", "--host", note.read_text(), *words),
            capture_output=True,
            text=True,
            check=False,
            timeout=_ANSWER_S,
        )
    except subprocess.TimeoutExpired as error:
        raise TimeoutError(f"it does not answer within {_ANSWER_S:g} s") from error
    if done.returncode != 0:
        raise OSError(done.stderr.strip().replace("\n", "; ") or "docker failed")
    return done.stdout
