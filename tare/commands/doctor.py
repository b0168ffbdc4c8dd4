"""``tare doctor``: what this host can measure, and what would spoil it."""

from __future__ import annotations

import click


@click.command("doctor")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--verbose", "-v", is_flag=True, help="Say of every check how it was found out.")
def command(*, as_json: bool, verbose: bool) -> int:
    """Try what a campaign needs and look for what disturbs one.

    Ends with 4 when no sandbox can be measured here.
    """
    from tare.doctor.render import doctor_command

    return doctor_command(json=as_json, verbose=verbose)
