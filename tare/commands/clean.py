"""``tare clean``: remove what a crash left behind."""

from __future__ import annotations

import click

from benchmarks.results import runfolder
from tare.errors import ExitCode
from tare.settings import state_folder


@click.command("clean")
@click.option("--dry-run", is_flag=True, help="Only name what would be removed.")
def command(*, dry_run: bool) -> int:
    """Remove what a killed tare left: containers, cgroups, guests, traces, halves of images."""
    found = [
        *_of_campaigns(dry_run=dry_run),
        *_of_images(dry_run=dry_run),
        *_of_traces(dry_run=dry_run),
    ]
    for line in dict.fromkeys(found):
        click.echo(line)
    if not found:
        click.echo("nothing was left behind", err=True)
    return ExitCode.OK


def _of_campaigns(*, dry_run: bool) -> list[str]:
    import runtime
    import vmdriver
    from benchmarks.sandboxes.managers import docker_traces

    state = state_folder()
    if not state.exists():
        return []
    found: list[str] = []
    with runfolder.campaign_lock(state / "campaign.lock", "tare clean"):
        for folder in sorted(path for path in state.iterdir() if path.is_dir()):
            for package in (docker_traces, runtime, vmdriver):
                found += package.leftovers(folder) if dry_run else package.clean(folder)
    return found


def _of_images(*, dry_run: bool) -> list[str]:
    from benchmarks.image import store

    return [f"half an image at {path}" for path in (store.leftovers if dry_run else store.clean)()]


def _of_traces(*, dry_run: bool) -> list[str]:
    from benchmarks.experiments import surface

    return (surface.leftovers if dry_run else surface.clean)()
