"""``tare list``: name what there is."""

from __future__ import annotations

import json

import click

from tare.arguments import Known
from tare.catalogue import IN_CAMPAIGNS, KINDS, named
from tare.errors import ExitCode


@click.command("list")
@click.argument("what", nargs=-1, type=Known(KINDS), metavar=f"[{'|'.join(KINDS)}]...")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(*, what: tuple[str, ...], as_json: bool) -> int:
    """Name what there is of a kind; without one, all that a campaign may name.

    An experiment stands among a campaign's `workloads`, as a workload does. `tare show` says more
    of each.
    """
    found = {one: named(one) for one in what or IN_CAMPAIGNS}
    if as_json:
        click.echo(json.dumps(found, indent=1, ensure_ascii=False))
        return ExitCode.OK
    width = max(len(name) for names in found.values() for name in names)
    for one, names in found.items():
        if len(found) > 1:
            click.echo(f"{one}:")
        for name, title in names.items():
            click.echo(f"{name:{width}}  {title}".rstrip())
    return ExitCode.OK
