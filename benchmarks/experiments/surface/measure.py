"""Measures one running instance: what it calls, what it may call, what it holds."""

from __future__ import annotations

import inspect
import os
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import msgspec
import psutil

from benchmarks.errors import MeasurementError, UnsuitableHostError
from benchmarks.experiments.probes import UnreadableAgentError, shares_kernel
from benchmarks.experiments.surface import agent, attribution, calls
from benchmarks.experiments.surface.trace import Call, Fork, Function, recording

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from benchmarks.experiments.surface.trace import Event
    from benchmarks.sandboxes.base import Instance

_INTERPRETER = "/usr/bin/python3"
_TIMEOUT_S = 60.0


@runtime_checkable
class HasProcesses(Protocol):
    """An instance that can name the host's processes that serve it."""

    def pids(self) -> list[int]:
        """Return their numbers."""


class Surface(msgspec.Struct, frozen=True, kw_only=True):
    """The attack surface of one sandbox, with how each part of it was found.

    Attributes:
        own_kernel: Whether the sandbox has a kernel of its own.
        counted: Whose calls were counted: ``the workload`` or ``every thread of the host side``.
        calls: Name of each system call made during the workload to how often.
        ioctls: The distinct ioctl commands among them.
        done: What the workload did, for comparison.
        status_of: Whose privileges these are.
        status: Fields of /proc/PID/status: the capability sets, Seccomp, NoNewPrivs.
        answers: Call tried to what came of it, as seen from inside; empty where none was tried.
        entered: Calls tried that got past the filter, as the host's tracepoints saw; None where
            they could not be watched.
        functions: The kernel's functions gone through during the workload.
        errors: Part to why there is nothing of it.
    """

    own_kernel: bool = False
    counted: str = ""
    calls: dict[str, int] = {}
    ioctls: tuple[int, ...] = ()
    done: tuple[str, ...] = ()
    status_of: str = ""
    status: dict[str, str] = {}
    answers: dict[str, str] = {}
    entered: tuple[str, ...] | None = None
    functions: tuple[str, ...] = ()
    errors: dict[str, str] = {}


def measure(instance: Instance) -> Surface:
    """Measure a running instance; what could not be had is an error in its place.

    Args:
        instance: It has to be able to name its processes (``HasProcesses``).
    """
    try:
        shared = shares_kernel(lambda args: instance.run(args, timeout_s=_TIMEOUT_S).stdout)
    except (MeasurementError, UnreadableAgentError) as error:
        why = str(error)
        return Surface(errors=dict.fromkeys(("calls", "functions", "scan", "status"), why))
    if shared:
        return _of_processes(instance)
    return _of_monitor(instance)


def _of_processes(instance: Instance) -> Surface:
    """Measure a sandbox whose processes are the host's: by marks from inside."""
    made, done = Surface(counted="the workload"), {}
    errors: dict[str, str] = {}
    try:
        with recording(_family(instance)) as trace:
            done = _run(instance, [])
        made = _with_calls(made, attribution.marked(trace.events))
    except (MeasurementError, UnsuitableHostError) as error:
        errors["calls"] = str(error)
    named: list[str] = []
    try:
        with recording(_family(instance), functions=True) as trace:
            _run(instance, [])
        named = attribution.functions(attribution.between(trace.events))
    except (MeasurementError, UnsuitableHostError) as error:
        errors["functions"] = str(error)
    answers: dict[str, str] = {}
    entered = None
    try:
        answers, entered = _scan(instance, errors)
    except MeasurementError as error:
        errors["scan"] = str(error)
    if not done.get("status"):
        errors["status"] = "the agent could not read its own status"
    return msgspec.structs.replace(
        made,
        done=tuple(done.get("done", ())),
        status_of="the workload, read from inside",
        status=done.get("status", {}),
        answers=answers,
        entered=entered,
        functions=tuple(named),
        errors=errors,
    )


def _scan(
    instance: Instance, errors: dict[str, str]
) -> tuple[dict[str, str], tuple[str, ...] | None]:
    """Try every call; the answers need no tracepoints, the other count does."""
    wanted = calls.to_try()
    if not wanted:
        raise MeasurementError("libseccomp.so.2 is missing, so no call is known by its name")
    entered = None
    try:
        with recording(_family(instance)) as trace:
            answers = _run(instance, wanted)["answers"]
        entered = tuple(map(calls.shown, sorted(attribution.entered(trace.events)))) or None
        if entered is None:  # no filter stops every call, the answer's included
            errors["entered"] = "the tracer saw none of the calls that were tried"
    except UnsuitableHostError as error:
        errors["entered"] = str(error)
        answers = _run(instance, wanted)["answers"]
    return {calls.shown(int(number)): answer for number, answer in answers.items()}, entered


def _of_monitor(instance: Instance) -> Surface:
    """Measure what serves a kernel of its own: every thread of the host's processes."""
    errors = {"scan": "its system calls go to a kernel of its own"}
    if not isinstance(instance, HasProcesses) or not (pids := instance.pids()):
        missing = "the sandbox does not say which processes of the host serve it"
        return Surface(
            own_kernel=True,
            errors={**errors, "calls": missing, "functions": missing, "status": missing},
        )
    made, done = Surface(counted="every thread of the host side"), {}
    try:
        threads = {thread.id for pid in pids for thread in psutil.Process(pid).threads()}
        with recording(threads) as trace:
            done = _run(instance, [])
        made = _with_calls(
            made, [event for event in _of(trace.traced, trace.events) if isinstance(event, Call)]
        )
    except (MeasurementError, UnsuitableHostError, psutil.Error) as error:
        errors["calls"] = str(error)
    named: list[str] = []
    try:
        threads = {thread.id for pid in pids for thread in psutil.Process(pid).threads()}
        with recording(threads, functions=True) as trace:
            _run(instance, [])
        named = attribution.functions(_of(trace.traced, trace.events))
    except (MeasurementError, UnsuitableHostError, psutil.Error) as error:
        errors["functions"] = str(error)
    try:
        name, status = psutil.Process(pids[0]).name(), _status(pids[0])
    except (OSError, psutil.Error) as error:
        name, status = "nobody", {}
        errors["status"] = f"process {pids[0]} of the host side cannot be read: {error}"
    return msgspec.structs.replace(
        made,
        own_kernel=True,
        done=tuple(done.get("done", ())),
        status_of=f"{name}, read on the host",
        status=status,
        functions=tuple(named),
        errors=errors,
    )


def _of(threads: set[int], events: Sequence[Event]) -> list[Call | Function]:
    """Return what threads did, and those they started."""
    family = set(threads)
    found: list[Call | Function] = []
    for event in events:
        if event.pid in family:
            if isinstance(event, Fork):
                family.add(event.child)
            else:
                found.append(event)
    return found


def _with_calls(made: Surface, found: Iterable[Call]) -> Surface:
    seen = list(found)
    if not seen:  # no program makes none, so they were not seen
        raise MeasurementError("the tracer saw no system call of the processes it was given")
    counts = Counter(calls.shown(call.number) for call in seen)
    ioctl = next((call.number for call in seen if calls.name_of(call.number) == "ioctl"), None)
    return msgspec.structs.replace(
        made, calls=dict(sorted(counts.items())), ioctls=tuple(attribution.ioctls(seen, ioctl))
    )


def _family(instance: Instance) -> list[int]:
    """Return every process that may start the workload: our descendants, and the instance's own."""
    ours = [child.pid for child in psutil.Process(os.getpid()).children(recursive=True)]
    theirs = instance.pids() if isinstance(instance, HasProcesses) else []
    return sorted({*ours, *theirs})


def _run(instance: Instance, wanted: list[tuple[int, list[int]]]) -> dict[str, Any]:
    source = f"{inspect.getsource(agent)}\nmain({wanted!r})\n"
    done = instance.run([_INTERPRETER, "-I", "-S", "-c", source], timeout_s=_TIMEOUT_S)
    try:
        document: dict[str, Any] = msgspec.json.decode(done.stdout.splitlines()[-1])
    except (msgspec.DecodeError, IndexError) as error:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        why = said[-1] if said else f"it ended with {done.exit_code}"
        raise MeasurementError(f"the surface's agent printed no document: {why}") from error
    return document


def _status(pid: int) -> dict[str, str]:
    fields = {}
    for line in (
        Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace").splitlines()
    ):
        name, _, value = line.partition(":")
        if name.startswith(("Cap", "Seccomp", "NoNewPrivs")):
            fields[name] = value.strip()
    return fields
