"""Chooses the image that a command's sandboxes run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from benchmarks import sandboxes

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.campaign.config import Campaign
    from benchmarks.image import Image
    from benchmarks.results.records import RunInfo

option = click.option(
    "--image",
    metavar="NAME|DIGEST",
    help="Run this image of the cache; by default the one of this host's package sources.",
)


def only_fake(campaign: Campaign) -> bool:
    """Tell whether no sandbox of the campaign needs an image."""
    return sandboxes.simulated(campaign.sandboxes)


def choose(campaign: Campaign, ref: str | None, note: Callable[[str], Any]) -> Image | None:
    """Return the image, built where it is missing; None where the campaign needs none.

    Raises:
        ImageError: There is none of that name, or it cannot be had.
    """
    from benchmarks import image

    if only_fake(campaign):
        return None
    return image.build(progress=note) if ref is None else image.get(ref, progress=note)


def of_run(campaign: Campaign, info: RunInfo, note: Callable[[str], Any]) -> Image | None:
    """Return the image that a run was begun with, kernel included; where it is gone, as `choose`.

    Raises:
        ImageError: As for `choose`.
    """
    from benchmarks import image

    found = None
    asked = (info.image or {}).get("asked")
    if info.image is not None and asked is None:
        known = (info.image["digest"], info.image.get("kernel_digest"))
        found = image.recorded(*known, progress=note)
    return found or choose(campaign, asked, note)
