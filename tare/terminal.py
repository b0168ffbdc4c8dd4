"""Write to standard streams as the caller left them: closed, full, narrow, or without umlauts."""

from __future__ import annotations

import os
import sys
from contextlib import suppress

import click

from benchmarks.results.printable import visible

_STDIN, _STDOUT, _STDERR = range(3)
_NARROWEST = 20


def prepare() -> None:
    """Make the standard streams usable, before anything is opened or said.

    A stream that is closed leaves its number to the next file that is opened, and whatever is
    started then writes into that file. So null devices take the places; that of standard output
    cannot be written, since nobody would see what is meant to be seen.
    """
    for descriptor in (_STDIN, _STDOUT, _STDERR):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDONLY if descriptor == _STDOUT else os.O_RDWR)
            os.set_inheritable(descriptor, True)  # noqa: FBT003  # its only form
    if sys.stdout is None:
        sys.stdout = open(_STDOUT, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    if sys.stderr is None:
        sys.stderr = open(_STDERR, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if (stream.encoding or "").lower() not in {"utf-8", "utf8"} and hasattr(
            stream, "reconfigure"
        ):
            stream.reconfigure(errors="backslashreplace")
    columns = os.environ.get("COLUMNS", "")
    if not (columns.isdecimal() and int(columns) >= _NARROWEST):
        os.environ.pop("COLUMNS", None)  # then the terminal itself is asked


def say(message: str) -> None:
    """Say one line on standard error, or nothing where it cannot be written."""
    with suppress(OSError):
        click.echo(visible(message), err=True)


def explained(error: OSError) -> str | None:
    """Return what to do where the caller's own surroundings are to blame; None where not."""
    if error.filename is None and not _writable():
        drop_output()
        why = f"cannot write to standard output: {error.strerror}"
        return f"{why}; part of it is lost, so run it again"
    try:
        os.getcwd()  # noqa: PTH109  # whether there is one
    except OSError:
        return "the working directory was deleted; change to another one and run it again"
    return None


def _writable() -> bool:
    """Whether standard output takes one more line; the error that asks does not say whose it is."""
    try:
        return os.write(_STDOUT, b"\n") == 1
    except OSError:
        return False


def drop_output() -> None:
    """Let the interpreter's last flush go nowhere (Python documentation, "Note on SIGPIPE")."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), _STDOUT)
