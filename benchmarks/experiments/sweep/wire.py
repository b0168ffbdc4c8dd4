"""What goes to the sweep's agent, and what comes back."""

from __future__ import annotations

import inspect
from typing import NamedTuple

from benchmarks.experiments.sweep import agent
from benchmarks.experiments.sweep.model import UnreadableSweepError

INTERPRETER = "/usr/bin/python3"
READ_SECONDS = 25.0
"""Time the agent gives all files of one call; what is left unread then is an error."""


class Answer(NamedTuple):
    """One call's reading: a text a file, and the mounts that lie over /proc and /sys."""

    lines: list[str]
    masks: dict[str, str]


def reading(interpreter: str = INTERPRETER) -> list[str]:
    """Return the command that reads what standard input lists."""
    return _command(interpreter, f"read_all({READ_SECONDS})")


def holding(act: str, amount: int, seconds: float = 0, interpreter: str = INTERPRETER) -> list[str]:
    """Return the command that holds something.

    Args:
        act: One of the agent's acts.
        amount: MiB, locks, processes or files.
        seconds: Hold, pause and hold again for so long each; 0 until standard input ends.
        interpreter: The Python to run it with.
    """
    return _command(interpreter, f"act({act!r}, {amount}, {seconds!r})")


def parse(stdout: bytes, asked: int) -> Answer:
    """Read the agent's answer.

    Args:
        stdout: What it printed.
        asked: Number of files it was asked for.

    Raises:
        UnreadableSweepError: It is cut short, or not such an answer.
    """
    lines = stdout.decode("ascii", "replace").splitlines()
    if len(lines) < 2 or lines[0] != "sweep" or not lines[-1].startswith("end "):  # noqa: PLR2004  # head and foot
        raise UnreadableSweepError("the sweep's agent in the sandbox printed no whole answer")
    masks = {}
    body = 1
    while lines[body].startswith("M "):
        _, kind, place = lines[body].split(" ", 2)
        masks[place] = kind
        body += 1
    found = lines[body:-1]
    if len(found) != asked:
        raise UnreadableSweepError(f"the sweep's agent answered for {len(found)} of {asked} files")
    return Answer([_unescaped(line) for line in found], masks)


def _unescaped(line: str) -> str:
    return line[:1] + line[1:].encode("ascii", "replace").decode("unicode_escape", "replace")


def _command(interpreter: str, call: str) -> list[str]:
    return [interpreter, "-I", "-S", "-c", f"{inspect.getsource(agent)}\n{call}\n"]
