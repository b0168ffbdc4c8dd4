"""``tare shell``: run lines in a sandbox that is started as a campaign starts it."""

from __future__ import annotations

import os
import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING

import click

from benchmarks.errors import MeasurementError
from tare import completion, images
from tare.errors import ExitCode
from tare.settings import state_folder
from tare.terminal import say

if TYPE_CHECKING:
    from benchmarks.sandboxes.base import Instance

_LONGEST = 64 << 10
"""Bytes of a line."""
_END = "exit"


@click.command("shell")
@click.argument("sandbox", shell_complete=completion.sandboxes)
@click.option(
    "--timeout",
    type=click.FloatRange(min=0, min_open=True),
    default=60.0,
    show_default=True,
    help="When a line counts as hanging, seconds.",
)
@images.option
def command(sandbox: str, *, timeout: float, image: str | None) -> int:
    """Start SANDBOX as a campaign does, and run each line of standard input in it.

    Each line is a shell of its own (`cd /tmp && ls`), whose standard input is empty; its output
    comes when it has ended. `exit` or the end of the input stops the sandbox. Ends with the exit
    status of the last line.
    """
    from benchmarks.campaign import config as campaigns
    from benchmarks.sandboxes import open_sandbox
    from benchmarks.session import measure
    from benchmarks.session.temporary import temporary

    campaign = campaigns.load("quick", sandboxes=(sandbox,), workloads=("startup",))
    chosen = images.choose(campaign, image, say)
    with ExitStack() as stack:
        stack.enter_context(measure.alone(state_folder(), f"process {os.getpid()}, a shell", say))
        folder = stack.enter_context(temporary(state_folder()))
        folder.chmod(0o755)  # a container's root must be able to search the way to its image
        setting = measure.setting_of(campaign, folder, state_folder(), chosen)
        opened = stack.enter_context(open_sandbox(sandbox, setting))
        instance = stack.enter_context(opened.start())
        return _lines(instance, sandbox, timeout)


def _lines(instance: Instance, sandbox: str, timeout_s: float) -> int:
    """Run line after line; return the exit status of the last."""
    status: int = ExitCode.OK
    asked = sys.stdin is not None and sys.stdin.isatty()
    while True:
        if asked:
            click.echo(f"{sandbox}$ ", nl=False, err=True)
        line = sys.stdin.buffer.readline(_LONGEST + 1) if sys.stdin is not None else b""
        text = line.decode(errors="surrogateescape").rstrip("\n")
        if not line or text.strip() == _END:
            return status
        if len(line) > _LONGEST or "\0" in text:
            say(f"tare: a line is text of at most {_LONGEST:,} bytes; the sandbox is stopped")
            return ExitCode.USAGE
        if text.strip():
            status = _run(instance, text, timeout_s)


def _run(instance: Instance, line: str, timeout_s: float) -> int:
    try:
        done = instance.run(("/bin/sh", "-c", line), timeout_s=timeout_s)
    except MeasurementError as error:
        say(f"tare: {error}")
        return ExitCode.ERROR
    sys.stdout.flush()
    sys.stdout.buffer.write(done.stdout)
    sys.stdout.buffer.flush()
    sys.stderr.flush()
    sys.stderr.buffer.write(done.stderr)
    sys.stderr.buffer.flush()
    return done.exit_code
