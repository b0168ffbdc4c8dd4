"""Recording system calls of a set of processes, through a tracefs instance of our own."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from benchmarks.errors import MeasurementError, UnsuitableHostError
from benchmarks.experiments.surface.tracer import FUNCTIONS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_TRACER = Path(__file__).with_name("tracer.py")
_BUFFER_KIB = 8192
"""For each CPU; a call takes about eighty bytes of it."""
_FUNCTIONS_KIB = 65536
"""For each CPU; a function takes about twenty bytes, and a call goes through a hundred."""
_FUNCTIONS_MOST_KIB = 512 << 10
"""For all CPUs together: the kernel takes it from the host's memory."""
_DUMP_S = 60.0


class Call(NamedTuple):
    """One system call as the host's kernel saw it enter: after any filter had let it pass."""

    pid: int
    number: int
    first: int
    second: int


class Fork(NamedTuple):
    """A process or thread made another."""

    pid: int
    child: int


class Function(NamedTuple):
    """A function of the kernel that a process went through."""

    pid: int
    name: str


type Event = Call | Fork | Function


@dataclass
class Trace:
    """What was recorded.

    Attributes:
        traced: The processes' numbers in the recording, which are those of the kernel's first pid
            namespace whatever they are here.
        events: What happened, in its order; filled when the recording ends.
    """

    traced: set[int] = field(default_factory=set)
    events: list[Event] = field(default_factory=list)

    def calls(self) -> list[Call]:
        """Return the system calls alone."""
        return [event for event in self.events if isinstance(event, Call)]


@contextmanager
def recording(pids: Iterable[int], *, functions: bool = False) -> Iterator[Trace]:
    """Record the system calls of processes, and of all that they start, for a context's length.

    Args:
        pids: Process or thread numbers.
        functions: Whether to record the functions of the kernel that they go through, too.

    Raises:
        UnsuitableHostError: The host does not let its tracepoints be used.
        MeasurementError: The recording is incomplete.
    """
    numbers = [*([FUNCTIONS] if functions else []), *(str(pid) for pid in pids)]
    each = min(_FUNCTIONS_KIB, _FUNCTIONS_MOST_KIB // (os.cpu_count() or 1))
    room = each if functions else _BUFFER_KIB
    trace = Trace()
    with subprocess.Popen(
        [sys.executable, "-I", "-S", _TRACER, secrets.token_hex(6), str(room), *numbers],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,  # Ctrl-C reaches the harness alone; its end ends the tracer
    ) as process:
        assert process.stdout is not None
        said = process.stdout.readline()
        word, *traced = said.split() or [""]
        if word != "tracing":
            what = "functions of the kernel" if functions else "system calls"
            if not said.startswith("refused"):
                raise UnsuitableHostError(f"the tracer of {what} died; try again")
            why = said.removeprefix("refused").strip()
            raise UnsuitableHostError(f"{what} cannot be traced on this host: {why}")
        trace.traced = {int(number) for number in traced}
        yield trace
        try:
            out, _ = process.communicate(timeout=_DUMP_S)
        except subprocess.TimeoutExpired as error:
            process.kill()
            raise MeasurementError("the tracer did not end; run `tare clean`") from error
    trace.events = _parse(out)


def leftovers() -> list[str]:
    """Name the tracefs instances of tracers that were killed."""
    return _tidy("list")


def clean() -> list[str]:
    """Remove the tracefs instances of tracers that were killed, and name them."""
    return _tidy("clean")


def _tidy(word: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-I", "-S", _TRACER, word], capture_output=True, text=True, check=False
    )
    return [f"trace {line}" for line in done.stdout.splitlines() if line.startswith("tare-")]


def _parse(out: str) -> list[Event]:
    lines = out.splitlines()
    if len(lines) < 2 or not lines[0].startswith("lost ") or lines[-1] != "end":  # noqa: PLR2004  # head and foot
        raise MeasurementError("the tracer's recording is cut short")
    lost = int(lines[0].split()[1])
    if lost:
        raise MeasurementError(
            f"{lost} events did not fit into the trace's buffers, so the set of system calls "
            "would be too small",
        )
    return [_event(line.split()) for line in lines[1:-1]]


def _event(words: list[str]) -> Event:
    if words[0] == "K":
        return Function(int(words[1]), words[2])
    if words[0] == "F":
        return Fork(int(words[1]), int(words[2]))
    return Call(int(words[1]), int(words[2]), int(words[3], 16), int(words[4], 16))
