"""What a killed tare left on this host: found, removed, and named where it is not provably ours."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING, NamedTuple

from benchmarks.session import temporary

if TYPE_CHECKING:
    from pathlib import Path


class Removed(NamedTuple):
    """What came of a clean-up, in words.

    Attributes:
        removed: What is gone.
        resisting: What could not be removed, and why.
        left_alone: What may be somebody else's: it is not touched.
    """

    removed: list[str]
    resisting: list[str]
    left_alone: list[str]


def find(state: Path) -> Removed:
    """Name what ``clean`` would remove, and what it would leave; changes nothing."""
    return _each(state, remove=False)


def clean(state: Path) -> Removed:
    """Remove what dead owners left; the host-wide lock must be held.

    Args:
        state: Folder that campaigns keep such things in.
    """
    return _each(state, remove=True)


def _each(state: Path, *, remove: bool) -> Removed:
    done = Removed([], [], [])
    try:
        done.removed.extend(temporary.leftovers(state, remove=remove))
    except OSError as error:
        done.resisting.append(f"{state / temporary.FOLDER}: {error}")
    folders = sorted(path for path in state.glob("*/") if path.name != temporary.FOLDER)
    if not folders:
        return done  # no sandbox was ever opened: nothing to load all this for
    import runtime
    import vmdriver
    from benchmarks.experiments import surface
    from benchmarks.sandboxes.managers import docker_traces

    errors = (OSError, subprocess.SubprocessError, runtime.ContainerError, vmdriver.VmError)
    for folder in folders:
        for package in (docker_traces, runtime, vmdriver):
            try:
                done.removed.extend((package.clean if remove else package.leftovers)(folder))
            except errors as error:
                done.resisting.append(f"{folder}: {error}")
        for other in (runtime, vmdriver):
            try:
                done.left_alone.extend(other.left_alone(folder))
            except errors as error:
                done.resisting.append(f"{folder}: {error}")
    try:
        done.removed.extend(surface.clean() if remove else surface.leftovers())
    except errors as error:
        done.resisting.append(f"traces: {error}")
    return done
