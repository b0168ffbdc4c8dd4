"""``tare man``: the man page."""

from __future__ import annotations

import click

from tare.errors import ExitCode


@click.command("man")
def command() -> int:
    """Print the man page of all commands, made of the texts that their --help shows."""
    from tare import manual

    group = click.get_current_context().find_root().command
    assert isinstance(group, click.Group)  # the root is where commands are found
    click.echo(manual.page(group), nl=False)
    return ExitCode.OK
