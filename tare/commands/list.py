"""``tare list``: what a campaign may name."""

from __future__ import annotations

import json

import click

from tare.errors import ExitCode

_WHAT = ("presets", "experiments", "workloads", "sandboxes")


@click.command("list")
@click.argument("what", nargs=-1, type=click.Choice(_WHAT), metavar=f"[{'|'.join(_WHAT)}]...")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(*, what: tuple[str, ...], as_json: bool) -> int:
    """Show what a campaign may name: all of it, or what is asked for.

    An experiment stands among a campaign's `workloads`, as a workload does.
    """
    found = {one: _named(one) for one in what or _WHAT}
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


def _named(what: str) -> dict[str, str]:
    """Return each name with what it stands for."""
    from benchmarks import sandboxes, workloads
    from benchmarks.campaign import config
    from benchmarks.experiments import base as experiments

    if what == "presets":
        return {name: config.about(name) for name in config.presets()}
    if what == "experiments":
        return {name: kind.title for kind in experiments.known() for name in kind.workloads}
    if what == "workloads":
        return {name: workloads.load(name).title for name in workloads.names()}
    return {name: kind.title for kind in sandboxes.all_kinds() for name in kind.names}
