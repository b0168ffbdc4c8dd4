"""From events to what one sandbox's threads called: by marks inside, or by thread set."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.errors import MeasurementError
from benchmarks.experiments.surface import agent
from benchmarks.experiments.surface.trace import Call, Fork, Function

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from benchmarks.experiments.surface.trace import Event

_MARKS = range(agent.MARK, agent.END + 1)


def marked(events: Iterable[Event]) -> list[Call]:
    """Return the calls of the workload; see ``between``."""
    return [event for event in between(events) if isinstance(event, Call)]


def functions(events: Iterable[Event]) -> list[str]:
    """Return the names of the kernel's functions among events."""
    return sorted({event.name for event in events if isinstance(event, Function)})


def between(events: Iterable[Event]) -> list[Call | Function]:
    """Return what was done by the process that set the two marks, and of all it started in between.

    Marks are calls that do nothing and that only the workload makes, so the set-up of the
    sandbox, which runs in the same processes just before, is not counted.

    Raises:
        MeasurementError: The host's kernel saw no marks: the sandbox answers calls itself.
    """
    family: set[int] = set()
    found: list[Call | Function] = []
    for event in events:
        if isinstance(event, Fork):
            if event.pid in family:
                family.add(event.child)
        elif isinstance(event, Function):
            if event.pid in family:
                found.append(event)
        elif event.first == agent.BEGIN:
            family = {event.pid}
            found = []
        elif event.first == agent.END and event.pid in family:
            return found
        elif event.pid in family:
            found.append(event)
    raise MeasurementError(
        "the workload's marks did not reach the host's kernel: the sandbox answers its system "
        "calls itself, or its processes were not among those traced",
    )


def entered(events: Sequence[Event]) -> set[int]:
    """Return the numbers of a scan's calls that got past the filter.

    The tracepoint lies behind seccomp in the kernel's entry path (kernel/entry/common.c), so a
    call that a filter refused leaves no event. Each was announced by a mark that holds its
    number; the next call of the same process is the one tried, if it got through.
    """
    announced: dict[int, int] = {}
    found = set()
    for event in events:
        if not isinstance(event, Call):
            continue
        number = announced.pop(event.pid, None)
        if number is not None and event.number == number:
            found.add(number)
        elif event.first in _MARKS and event.first not in {agent.BEGIN, agent.END}:
            announced[event.pid] = event.first & ~agent.MARK
    return found


def ioctls(calls: Iterable[Call], number: int | None) -> list[int]:
    """Return the distinct ioctl commands, given ioctl's number on this machine."""
    return sorted({call.second & 0xFFFFFFFF for call in calls if call.number == number})
