"""``tare doctor``: what this host can measure, and what would spoil it."""

from __future__ import annotations

import click


@click.command("doctor")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--verbose", "-v", is_flag=True, help="Say of every check how it was found out.")
@click.option(
    "--ci",
    is_flag=True,
    help="Say in three lines what this runner can gate, and end with 4 if not all.",
)
def command(*, as_json: bool, verbose: bool, ci: bool) -> int:
    """Start what a campaign starts, once, and look for what disturbs one.

    Ends with 4 when no sandbox can be measured here; with --ci also when start, throughput or
    isolation can be gated in none.
    """
    from tare.doctor.render import doctor_command

    if ci and as_json:
        raise click.UsageError("give either --ci or --json")
    return doctor_command(json=as_json, verbose=verbose, ci=ci)
