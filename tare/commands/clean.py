"""``tare clean``: remove what a crash left behind."""

from __future__ import annotations

import click

from benchmarks import runfolder
from tare.errors import ExitCode
from tare.settings import state_folder


@click.command("clean")
@click.option("--dry-run", is_flag=True, help="Only name what would be removed.")
def command(*, dry_run: bool) -> int:
    """Remove containers, cgroups, guests and files that a killed tare left on this host."""
    import runtime
    import vmdriver

    state = state_folder()
    if not state.exists():
        click.echo("nothing was left behind", err=True)
        return ExitCode.OK
    with runfolder.campaign_lock(state / "campaign.lock", "tare clean"):
        removed: list[str] = []
        for folder in sorted(path for path in state.iterdir() if path.is_dir()):
            for package in (runtime, vmdriver):
                removed += package.leftovers(folder) if dry_run else package.clean(folder)
    for line in dict.fromkeys(removed):
        click.echo(line)
    if not removed:
        click.echo("nothing was left behind", err=True)
    return ExitCode.OK
