"""Finds what of a campaign cannot be run, since its image lacks a program, before it starts."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from benchmarks.image import inside

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from benchmarks.experiments.base import Experiment


class Lack(NamedTuple):
    """Something that cannot be run.

    Attributes:
        asked: Its name in the campaign's ``workloads``.
        workload: Its name in samples.
        said: Why, in a sentence.
    """

    asked: str
    workload: str
    said: str


def lacking(experiments: Iterable[Experiment], root: Path | None) -> list[Lack]:
    """Return what the image at ``root`` has no programs for; nothing where there is no image."""
    if root is None:
        return []
    found = []
    for need in (need for one in experiments for need in one.needs()):
        missing = [path for path in need.programs if inside.resolved(root, path) is None]
        if missing:
            named = ", ".join(path.rpartition("/")[2] for path in missing)
            found.append(Lack(need.asked, need.workload, f"not here: the image has no {named}"))
    return found
