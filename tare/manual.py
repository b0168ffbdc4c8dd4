"""The man page, made of the texts that ``--help`` shows (groff_man(7))."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING

import click

from tare import __version__
from tare.errors import ExitCode
from tare.examples import EXAMPLES

if TYPE_CHECKING:
    from collections.abc import Iterator

_MEANINGS = {
    ExitCode.OK: "done",
    ExitCode.ERROR: "an error, or something asked for gave nothing",
    ExitCode.USAGE: "wrong usage",
    ExitCode.REGRESSION: "a regression was found",
    ExitCode.UNSUITABLE: "this host cannot measure it",
    ExitCode.INCONCLUSIVE: "inconclusive",
    ExitCode.BUSY: "another campaign runs on this host",
    ExitCode.INTERRUPTED: "interrupted; a run can be resumed",
}


def page(group: click.Group) -> str:
    """Return the man page of the whole command line, as roff."""
    context = click.Context(group, info_name="tare")
    lines = [
        f'.TH TARE 1 "" "tare {__version__}"',
        ".SH NAME",
        r"tare \- weigh containers against virtual machines",
        ".SH SYNOPSIS",
        r"\fBtare\fR COMMAND [OPTIONS] [ARGUMENTS]",
        ".SH DESCRIPTION",
        *_prose(group.help or ""),
        ".SH COMMANDS",
        *_commands(group, context, ""),
        ".SH EXIT STATUS",
    ]
    for code, meaning in _MEANINGS.items():
        lines += [".TP", rf"\fB{code.value}\fR", _escaped(meaning)]
    return "\n".join(lines) + "\n"


def _commands(group: click.Group, context: click.Context, path: str) -> Iterator[str]:
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if command is None:
            continue
        within = f"{path} {name}".strip()
        inner = click.Context(command, info_name=name, parent=context)
        usage = " ".join(command.collect_usage_pieces(inner))
        yield f'.SS "{_escaped(f"tare {within} {usage}")}"'
        yield from _prose(command.help or "")
        for param in command.params:
            record = param.get_help_record(inner)
            if record is not None:
                yield from (".TP", rf"\fB{_escaped(record[0])}\fR", _escaped(record[1]))
        for line, told in EXAMPLES.get(within, ()):
            yield from (".TP", rf"example: \fB{_escaped(line)}\fR", _escaped(told))
        if isinstance(command, click.Group):
            yield from _commands(command, inner, within)


def _prose(text: str) -> Iterator[str]:
    for paragraph in inspect.cleandoc(text).split("\n\n"):
        yield ".PP"
        yield _escaped(" ".join(paragraph.split()))


def _escaped(text: str) -> str:
    """Return a text whose characters mean themselves."""
    said = " ".join(text.split()).replace("\\", r"\e").replace("-", r"\-")
    return rf"\&{said}" if said.startswith((".", "'")) else said.replace('"', r"\(dq")
