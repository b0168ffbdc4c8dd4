"""Where tare keeps things on this host."""

from __future__ import annotations

import os
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click
import platformdirs

from benchmarks.errors import OutputError
from benchmarks.results import output

if TYPE_CHECKING:
    from click import Context, Parameter


_COMMIT = re.compile("[0-9a-fA-F]{7,64}")
_CI_COMMITS = ("GITHUB_SHA", "CI_COMMIT_SHA")
"""Variables in which GitHub Actions and GitLab CI name the commit they work on."""


def state_folder() -> Path:
    """Return the folder for what a crash would leave behind.

    It is short, because libvirt and QEMU put sockets below it and a socket's path ends at 108
    bytes (unix(7)).
    """
    if os.geteuid() == 0:
        return Path("/run/tare")
    return Path(platformdirs.user_runtime_dir("tare"))


def new_run_folder(campaign: str) -> Path:
    """Return a path for a new run, named after the campaign and the time."""
    return Path("runs") / f"{campaign}-{time.strftime('%Y%m%d-%H%M%S')}"


def commit_asked_for(context: Context, option: Parameter, commit: str | None) -> str | None:
    """Return the commit given, or the one that continuous integration says it works on.

    Raises:
        click.BadParameter: It cannot be a commit's name: 7 to 64 hexadecimal digits.
    """
    del context, option
    if commit is not None and not _COMMIT.fullmatch(commit):
        raise click.BadParameter(f"{output.shown(Path(commit))} is no commit: 7 to 64 hex digits")
    said = [commit, *map(os.environ.get, _CI_COMMITS)]
    return next((one for one in said if one and _COMMIT.fullmatch(one)), None)


def folder_asked_for(context: Context, option: Parameter, folder: Path | None) -> Path | None:
    """Refuse what can hold no new run, before anything is built or measured.

    Raises:
        click.BadParameter: It is no folder, or a part of another run.
    """
    del context, option
    if folder is None:
        return None
    try:
        output.refuse_own(folder, folder.resolve())
        if folder.exists() and not folder.is_dir():
            raise click.BadParameter(
                f"{output.shown(folder)} is not a folder, and a run is kept in one; give another"
            )
    except OutputError as error:
        raise click.BadParameter(str(error)) from error
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise click.BadParameter(f"{output.shown(folder)}: {why}") from error
    return folder
