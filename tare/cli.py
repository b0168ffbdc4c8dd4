"""The command line: one group, and the one place where errors become sentences and exit codes."""

from __future__ import annotations

import importlib
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import click

from benchmarks import nearest
from benchmarks.errors import (
    BenchmarkError,
    CampaignError,
    RunLockedError,
    UnknownSandboxError,
    UnsuitableHostError,
    WorkloadError,
)
from tare import __version__, examples, terminal
from tare.errors import ExitCode

if TYPE_CHECKING:
    from types import FrameType

_COMMANDS = {
    "doctor": "what this host can measure, and what would spoil it",
    "image": "build, import, export, list and remove images",
    "run": "measure a campaign",
    "report": "make a report of a run",
    "export": "write a run in a form that another tool takes",
    "compare": "tell whether a run is worse than another",
    "ab": "measure two versions in turns, and tell whether the new one is worse",
    "history": "see where many runs changed, and whether the latest are worse",
    "leaks": "try the isolation probes alone",
    "selfcheck": "see how often this host makes equal things look different",
    "list": "name what there is: presets, workloads, sandboxes, probes, claims and metrics",
    "show": "say what one of them is, with an example",
    "shell": "run commands in a sandbox, started as a campaign starts it",
    "man": "print the man page",
    "clean": "remove what a crash left behind",
}
_SAME_WISH_S = 1.0
_USAGE = (CampaignError, UnknownSandboxError, WorkloadError)


class _LazyGroup(click.Group):
    """Imports a subcommand only when it is called, so that ``tare --help`` stays quick."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        del ctx
        if cmd_name not in _COMMANDS:
            return None
        module = importlib.import_module(f"tare.commands.{cmd_name}")
        command: click.Command = module.command
        return examples.add(command, cmd_name)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl(list(_COMMANDS.items()))

    def resolve_command(
        self,
        ctx: click.Context,
        args: list[str],
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            near = nearest.find(args[0], _COMMANDS)
            hint = f"; did you mean {near!r}?" if near else ""
            raise click.UsageError(f"{error.message.rstrip('.')}{hint}", ctx) from error


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, "-V", "--version", prog_name="tare")
def cli() -> None:
    """Weigh containers against virtual machines, honestly, on this host.

    Start with `tare doctor`, then `tare run quick`.
    """


examples.add(cli, "")


def main(args: list[str] | None = None) -> None:
    """Run the command and leave the process with its exit code."""
    _interruptible()
    terminal.prepare()
    try:
        code = _called(args)
        sys.stdout.flush()
    except click.exceptions.Abort as error:
        # click's own wrapping of a KeyboardInterrupt, whose message says how to go on
        sys.exit(_say(str(error.__cause__ or "") or "stopped", ExitCode.INTERRUPTED))
    except click.ClickException as error:
        with suppress(OSError):
            error.show()
        sys.exit(ExitCode.USAGE if isinstance(error, click.UsageError) else ExitCode.ERROR)
    except _USAGE as error:
        sys.exit(_say(str(error), ExitCode.USAGE))
    except UnsuitableHostError as error:
        sys.exit(_say(str(error), ExitCode.UNSUITABLE))
    except BrokenPipeError:
        terminal.drop_output()  # its reader has gone, and knows it
        sys.exit(ExitCode.ERROR)
    except MemoryError:
        said = "tare ran out of memory; end other programs, or raise its limit, and run it again"
        sys.exit(_say(f"{said}: a run folder keeps what was measured (--resume)", ExitCode.ERROR))
    except _own_errors() as error:
        lost = isinstance(error.__cause__, FileNotFoundError) and terminal.without_folder()
        sys.exit(_say(lost or str(error), _code(error)))
    except (OSError, subprocess.SubprocessError) as error:
        # what no package expected: a tool too slow, a call the host refuses, a disk that is full
        if os.environ.get("TARE_DEBUG"):
            raise
        known = terminal.explained(error) if isinstance(error, OSError) else None
        said = known or f"{_plainly(error)}; TARE_DEBUG=1 shows where it happened"
        sys.exit(_say(said, ExitCode.ERROR))
    sys.exit(code if isinstance(code, int) else ExitCode.OK)


def _called(args: list[str] | None) -> Any:
    """Run the command, or answer a shell that completes one."""
    if "_TARE_COMPLETE" in os.environ:
        from tare import completion_bash

        completion_bash.register()
    return cli.main(args, prog_name="tare", standalone_mode=False)


def _plainly(error: OSError | subprocess.SubprocessError) -> str:
    """Say what a program or a call of the system did not do."""
    if isinstance(error, subprocess.TimeoutExpired | subprocess.CalledProcessError):
        words = error.cmd if isinstance(error.cmd, str) else " ".join(map(str, error.cmd))
        if isinstance(error, subprocess.TimeoutExpired):
            return f"{words} did not end within {error.timeout:g} s"
        return f"{words} ended with {error.returncode}"
    if isinstance(error, OSError) and error.strerror:
        where = f"{os.fsdecode(error.filename)}: " if error.filename else ""
        return f"{where}{error.strerror}"
    return str(error)


def _own_errors() -> tuple[type[Exception], ...]:
    """Return the root errors of every package that was imported; others cannot have raised."""
    roots: list[type[Exception]] = [BenchmarkError]
    for module, name in (
        ("benchmarks.image.errors", "ImageError"),
        ("reports.errors", "ReportError"),
        ("runtime.errors", "ContainerError"),
        ("vmdriver.errors", "VmError"),
    ):
        if module in sys.modules:
            roots.append(getattr(sys.modules[module], name))
    return tuple(roots)


def _code(error: Exception) -> ExitCode:
    """Tell what this host cannot do, or not now, from what went wrong on it."""
    if isinstance(error, RunLockedError):
        return ExitCode.BUSY
    if "benchmarks.image.errors" not in sys.modules:
        return ExitCode.ERROR
    from benchmarks.image.errors import MissingToolError, NoGuestError, NotRootError

    lacking = isinstance(error, NotRootError | MissingToolError | NoGuestError)
    return ExitCode.UNSUITABLE if lacking else ExitCode.ERROR


def _say(message: str, code: ExitCode) -> ExitCode:
    terminal.say(f"tare: {message}")
    return code


def _interruptible() -> None:
    """Have what ends a program from outside end it as SIGINT does; nohup(1) ignores SIGHUP.

    Once: a shell that loses its terminal hangs up what the kernel has hung up already, and a
    second interruption would end the teardown. Only who presses Ctrl-C again later means it.
    """
    ended_at: list[float] = []

    def interrupt(number: int, frame: FrameType | None) -> None:
        del frame
        now = time.monotonic()
        if not ended_at or (number == signal.SIGINT and now - ended_at[0] > _SAME_WISH_S):
            ended_at.append(now)
            raise KeyboardInterrupt(f"ended by {signal.Signals(number).name}")

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, interrupt)
