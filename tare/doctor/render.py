"""Shows a diagnosis: a table that fits 80 columns, or JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from rich.console import Console, Group
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from tare.doctor.model import State
from tare.errors import ExitCode

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.console import RenderableType

    from tare.doctor.model import Check, Diagnosis

_STYLES = {State.OK: "green", State.INFO: "dim", State.WARN: "yellow", State.FAIL: "bold red"}
_TITLE_WIDTH = 19
"""The longest title, so that the groups' columns stand below each other."""
_GROUPS = {
    "abilities": "What a campaign needs",
    "disturbances": "What would spoil the numbers",
}


def render(diagnosis: Diagnosis, *, verbose: bool = False) -> RenderableType:
    """Return what a rich console prints.

    Args:
        diagnosis: What was found.
        verbose: Whether to say of every check how it was found out, not only where it matters.
    """
    parts: list[RenderableType] = [_verdicts(diagnosis)]
    for group, title in _GROUPS.items():
        chosen = [check for check in diagnosis.checks if check.group == group]
        if chosen:
            parts += ["", Text(title, style="bold"), _table(chosen, verbose=verbose)]
    return Group(*parts, "", *_closing(diagnosis, verbose=verbose))


def doctor_command(*, json: bool, verbose: bool = False, ci: bool = False) -> int:
    """Diagnose and print to standard output; return the exit code."""
    from tare.doctor import diagnose
    from tare.doctor.gates import gates

    diagnosis = diagnose()
    console = Console()
    if ci:
        lines, each = gates(diagnosis)
        console.file.write("".join(f"{line}\n" for line in lines))
        return ExitCode.OK if each else ExitCode.UNSUITABLE
    if json:
        text = msgspec.json.format(msgspec.json.encode(diagnosis), indent=2).decode()
        console.file.write(text + "\n")
    else:
        console.print(render(diagnosis, verbose=verbose), highlight=False)
    return ExitCode.OK if diagnosis.ok else ExitCode.UNSUITABLE


def _verdicts(diagnosis: Diagnosis) -> RenderableType:
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for sandbox, answer in diagnosis.can_run.items():
        word = Text("can run", _STYLES[State.OK])
        if answer is not True:
            word = Text(f"cannot run: {answer}", _STYLES[State.FAIL])
        if sandbox in diagnosis.tried:
            word.append(f"\n{diagnosis.tried[sandbox]}", style="dim")
        table.add_row(Text(sandbox, style="bold"), word)
    return Group(Text("Sandboxes on this host", style="bold"), Padding(table, (0, 0, 0, 1)))


def _table(checks: Iterable[Check], *, verbose: bool) -> RenderableType:
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True, min_width=_TITLE_WIDTH)
    table.add_column(overflow="fold")
    for check in checks:
        style = _STYLES[check.state]
        cell = Text(check.found)
        if check.advice:
            cell.append(f"\n{check.advice}", style=style)
        if verbose or check.state in {State.WARN, State.FAIL}:
            cell.append(f"\nhow: {check.how}", style="dim")
        table.add_row(Text(check.state, style=style), check.title, cell)
    return Padding(table, (0, 0, 0, 1))


def _closing(diagnosis: Diagnosis, *, verbose: bool) -> Iterable[RenderableType]:
    states = [check.state for check in diagnosis.checks]
    warned, failed = states.count(State.WARN), states.count(State.FAIL)
    counts = f"{states.count(State.OK)} ok, {warned} warnings, {failed} failures."
    if not diagnosis.ok:
        yield Text(f"{counts} No campaign can run here.", style=_STYLES[State.FAIL])
    else:
        yield Text(f"{counts} Next: tare run quick")
    if not verbose:
        yield Text("How each was found out: tare doctor --verbose, or --json", style="dim")
