"""``tare clean``: remove what a crash left behind, and nothing that may be another's."""

from __future__ import annotations

import click

from benchmarks.results import runfolder
from tare.errors import ExitCode
from tare.settings import state_folder


@click.command("clean")
@click.option("--dry-run", is_flag=True, help="Only name what would be removed.")
def command(*, dry_run: bool) -> int:
    """Remove what a killed tare left: containers, cgroups, guests, traces, halves of images."""
    from benchmarks.session import leftovers

    found = leftovers.Removed([], [], [])
    state = state_folder()
    if state.exists():
        with runfolder.campaign_lock(state / "campaign.lock", "tare clean"):
            found = (leftovers.find if dry_run else leftovers.clean)(state)
    removed = [*found.removed, *_of_images(dry_run=dry_run)]
    for line in dict.fromkeys(removed):
        click.echo(line)
    for line in found.left_alone:
        click.echo(f"left alone: {line}", err=True)
    for line in found.resisting:
        click.echo(f"cannot be removed: {line}", err=True)
    if not any((removed, found.left_alone, found.resisting)):
        click.echo("nothing was left behind", err=True)
    return ExitCode.ERROR if found.resisting else ExitCode.OK


def _of_images(*, dry_run: bool) -> list[str]:
    from benchmarks.image import store

    return [f"half an image at {path}" for path in (store.leftovers if dry_run else store.clean)()]
