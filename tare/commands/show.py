"""``tare show``: say what one thing is, with an example."""

from __future__ import annotations

import json
import shutil
import textwrap
from typing import Any

import click
from click.shell_completion import CompletionItem

from benchmarks import nearest
from benchmarks.results.printable import visible
from tare.arguments import Known
from tare.catalogue import KINDS, named
from tare.errors import ExitCode

_LISTED = {one: several for several, one in KINDS.items()}
_INDENT = "    "


def _names(context: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Return the names of the kind that was given."""
    del param
    known = named(_LISTED[context.params["kind"]]) if context.params.get("kind") else {}
    return [
        CompletionItem(one, help=told)
        for one, told in known.items()
        if one[: len(incomplete)] == incomplete
    ]


@click.command("show")
@click.argument("kind", type=Known(_LISTED), metavar="|".join(_LISTED))
@click.argument("name", shell_complete=_names)
@click.option(
    "--schema",
    is_flag=True,
    help="Print the JSON schema of such files: every key, which must be there, and the defaults.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(kind: str, name: str, *, schema: bool, as_json: bool) -> int:
    """Say what a preset, workload, sandbox, probe, claim or metric is, and how to use it."""
    from tare import details

    known = named(_LISTED[kind])
    if name not in known and not _is_further(kind, name):
        hint = nearest.hint(name, known, _LISTED[kind])
        raise click.UsageError(f"there is no {kind} {name!r}; {hint}")
    if schema:
        click.echo(json.dumps(_schema(kind), indent=2))
        return ExitCode.OK
    found = details.of(kind, name)
    if as_json:
        said = {"kind": kind, "name": name, **found._asdict()}
        click.echo(json.dumps(said, indent=1, ensure_ascii=False))
        return ExitCode.OK
    width = min(shutil.get_terminal_size().columns, 100)
    click.echo(visible(textwrap.fill(f"{name}: {found.title}", width)))
    for label, text in found.facts:
        lines = [line for line in text.splitlines() if line.strip()]
        whole = f"{label}: {lines[0] if lines else text}"
        first = textwrap.fill(
            whole, width, initial_indent="  ", subsequent_indent=_INDENT, break_long_words=False
        )
        click.echo(visible("\n".join((first, *(f"{_INDENT}{line}" for line in lines[1:])))))
    click.echo(f"  example: {found.example}")
    return ExitCode.OK


def _schema(kind: str) -> dict[str, Any]:
    """Return the schema of the file that defines one of a kind.

    Raises:
        click.UsageError: None does.
    """
    from benchmarks import workloads
    from benchmarks.campaign import config

    known = {"preset": config.schema, "workload": workloads.schema}
    if kind not in known:
        raise click.UsageError(f"no file defines a {kind}; --schema goes with preset and workload")
    return known[kind]()


def _is_further(kind: str, name: str) -> bool:
    """Whether it is a sandbox that has no place of its own in the list, such as oci:PATH."""
    from benchmarks import sandboxes

    return kind == "sandbox" and any(one.has(name) for one in sandboxes.all_kinds())
