"""``tare doctor``: what this host can measure, and what would spoil it."""

from __future__ import annotations

import click


@click.command("doctor")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("-v", "--verbose", is_flag=True, help="Say of every check how it was found out.")
def command(*, as_json: bool, verbose: bool) -> int:
    """Show what this host can measure, and what would spoil it; exit code 4 if nothing can run."""
    from tare.doctor_render import doctor_command

    return doctor_command(json=as_json, verbose=verbose)
