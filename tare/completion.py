"""What a shell completes: names of presets, sandboxes and workloads, and run folders."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from click.shell_completion import CompletionItem

from tare.catalogue import named

if TYPE_CHECKING:
    import click

_MOST_FOLDERS = 1_000


def presets(
    context: click.Context, param: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Return presets; the shell itself completes a file's path."""
    del context, param
    return _of(incomplete, "presets") or _files(incomplete)


def sandboxes(
    context: click.Context, param: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Return sandboxes."""
    del context, param
    return _of(incomplete, "sandboxes")


def workloads(
    context: click.Context, param: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Return what a campaign's workloads may name; the shell itself completes a file's path."""
    del context, param
    return _of(incomplete, "experiments", "workloads") or _files(incomplete)


def runs(context: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Return run folders: here, in ``runs``, and where the path that was begun leads."""
    del context, param
    begun = Path(incomplete) if incomplete.endswith("/") else Path(incomplete).parent
    found = [
        CompletionItem(str(folder))
        for place in dict.fromkeys((begun, Path(), Path("runs")))
        for folder in _run_folders(place)
        if str(folder).startswith(incomplete.removeprefix("./"))
    ]
    return found or [CompletionItem(incomplete, type="dir")]


def _run_folders(place: Path) -> list[Path]:
    try:
        return sorted(file.parent for file in place.glob("*/run.json"))[-_MOST_FOLDERS:]
    except (OSError, ValueError):
        return []


def _of(incomplete: str, *kinds: str) -> list[CompletionItem]:
    return [
        CompletionItem(name, help=title)
        for kind in kinds
        for name, title in named(kind).items()
        if name.startswith(incomplete)
    ]


def _files(incomplete: str) -> list[CompletionItem]:
    return [CompletionItem(incomplete, type="file")]
