"""The attack surface of every sandbox of a campaign: counts and words as samples, with lists."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from benchmarks.errors import MeasurementError
from benchmarks.experiments.base import Cadence, Context, Experiment
from benchmarks.experiments.probes.engine import INTERPRETER
from benchmarks.experiments.surface import calls, offline
from benchmarks.experiments.surface.measure import Surface, measure
from benchmarks.results import metrics
from benchmarks.results.evidence import Evidence
from benchmarks.results.records import Direction, Status, Unit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from benchmarks.results.metrics import Row

READINGS = Evidence("surface", Surface)

METHODS = {
    "host_calls": "tracepoint raw_syscalls:sys_enter",
    "host_ioctls": "tracepoint raw_syscalls:sys_enter, second argument of ioctl",
    "host_call_events": "tracepoint raw_syscalls:sys_enter",
    "kernel_functions": "function tracer of ftrace",
    "calls_entered": "forked scan, watched by the host's tracepoint raw_syscalls:sys_enter",
    "calls_reached": "forked scan, by the errors it got inside",
    "calls_evaluated": "offline evaluation of the filter's program",
    "capabilities": "/proc/PID/status",
    "capabilities_bounding": "/proc/PID/status",
    "seccomp": "/proc/PID/status",
    "no_new_privs": "/proc/PID/status",
}
"""Metric to how it is found. Counts of different methods are never added or compared."""

_SECCOMP = {"0": "off", "1": "strict", "2": "filter"}
_SET = {"0": "unset", "1": "set"}


class Found(NamedTuple):
    """A metric's value: a number or a word, what lies behind it, or why there is none."""

    value: float | None = None
    text: str | None = None
    detail: str | None = None
    error: str | None = None
    unsupported: bool = False


class _Metric(NamedTuple):
    part: str
    unit: Unit
    title: str
    read: Callable[[Surface], Found]


def _host_calls(found: Surface) -> Found:
    return Found(len(found.calls), detail=f"{found.counted}: {', '.join(found.calls)}")


def _host_ioctls(found: Surface) -> Found:
    named = ", ".join(f"{command:#x}" for command in found.ioctls) or "none"
    return Found(len(found.ioctls), detail=f"{found.counted}: {named}")


def _events(found: Surface) -> Found:
    times = ", ".join(
        f"{name} {count}" for name, count in sorted(found.calls.items(), key=lambda kv: -kv[1])
    )
    return Found(sum(found.calls.values()), detail=f"{found.counted}: {times}")


def _functions(found: Surface) -> Found:
    if not found.functions:
        return Found(error="the function tracer recorded nothing")
    return Found(len(found.functions), detail=f"{found.counted}: {', '.join(found.functions)}")


def _entered(found: Surface) -> Found:
    if found.entered is None:
        return Found(error=found.errors.get("entered", "the scan was not watched"))
    there = [name for name in found.entered if found.answers.get(name) != "ENOSYS"]
    return Found(len(there), detail=f"of {len(found.answers)} tried: {', '.join(there)}")


def _reached(found: Surface) -> Found:
    names = [name for name, answer in found.answers.items() if calls.reached(answer)]
    return Found(len(names), detail=f"of {len(found.answers)} tried: {', '.join(names)}")


def _not_read(_found: Surface) -> Found:
    """Nothing of it is read from an instance; see ``_evaluated``."""
    return Found(unsupported=True)


def _evaluated(details: Mapping[str, Any]) -> Found:
    """Evaluate the filter that a sandbox says it has."""
    profile = offline.profile_of(details)
    if profile is None:
        return Found(detail="there is no filter whose program is known here", unsupported=True)
    try:
        names = offline.passing(profile)
    except MeasurementError as error:
        return Found(error=str(error))
    return Found(len(names), detail=f"the profile {profile}: {', '.join(names)}")


def _capabilities(field: str) -> Callable[[Surface], Found]:
    def read(found: Surface) -> Found:
        held = int(found.status[field], 16)
        sets = ", ".join(f"{k} {v}" for k, v in found.status.items() if k.startswith("Cap"))
        return Found(held.bit_count(), detail=f"{found.status_of}: {sets}")

    return read


def _word(field: str, words: dict[str, str]) -> Callable[[Surface], Found]:
    def read(found: Surface) -> Found:
        said = found.status[field]
        return Found(text=words.get(said, said), detail=f"{found.status_of}: {field} {said}")

    return read


_METRICS = {
    "host_calls": _Metric(
        "calls", Unit.COUNT, "distinct system calls of the host-side threads", _host_calls
    ),
    "host_ioctls": _Metric("calls", Unit.COUNT, "distinct ioctl commands among them", _host_ioctls),
    "host_call_events": _Metric("calls", Unit.COUNT, "system calls they made in all", _events),
    "kernel_functions": _Metric(
        "functions", Unit.COUNT, "distinct functions of the host's kernel gone through", _functions
    ),
    "calls_entered": _Metric("scan", Unit.COUNT, "system calls the filter lets pass", _entered),
    "calls_reached": _Metric(
        "scan", Unit.COUNT, "system calls answered by more than a refusal", _reached
    ),
    "calls_evaluated": _Metric(
        "", Unit.COUNT, "system calls by name that the filter's program allows", _not_read
    ),
    "capabilities": _Metric(
        "status", Unit.COUNT, "effective capabilities", _capabilities("CapEff")
    ),
    "capabilities_bounding": _Metric(
        "status", Unit.COUNT, "capabilities in the bounding set", _capabilities("CapBnd")
    ),
    "seccomp": _Metric("status", Unit.WORD, "seccomp", _word("Seccomp", _SECCOMP)),
    "no_new_privs": _Metric("status", Unit.WORD, "no new privileges", _word("NoNewPrivs", _SET)),
}


class AttackSurface(Experiment):
    """Which of the host's system calls a sandbox makes, and which it may make."""

    name = metrics.SURFACE
    title = "attack surface"
    cadence = Cadence.ONCE
    place = 72
    programs = (INTERPRETER,)

    @classmethod
    def rows(cls) -> Iterable[Row]:
        for metric, known in _METRICS.items():
            counted = known.unit is Unit.COUNT
            direction = Direction.LOWER if counted else Direction.NEITHER
            yield metric, known.unit, direction, known.title

    def run(self, context: Context) -> None:
        """Measure a running instance; what failed is kept in its place."""
        READINGS.write(context.logs, measure(context.instance), context.name)

    def judge(self, context: Context) -> None:
        """Turn what was measured into samples, the method beside each."""
        why = dict.fromkeys(("calls", "functions", "scan", "status"), "the sandbox did not start")
        found = READINGS.read(context.logs, context.name) or Surface(errors=why)
        for metric, known in _METRICS.items():
            offline_only = metric == "calls_evaluated"
            details = context.sandbox.info.details
            one = _evaluated(details) if offline_only else _find(found, known)
            status = Status.OK if one.error is None else Status.FAILED
            method = METHODS[metric]
            context.record.add(
                self.name,
                metric,
                known.unit,
                one.text if one.value is None else one.value,
                status=Status.UNSUPPORTED if one.unsupported else status,
                detail=one.error or (f"{method}; {one.detail}" if one.detail else method),
            )


def _find(found: Surface, known: _Metric) -> Found:
    why = found.errors.get(known.part)
    if why is not None:
        # Most hosts lock the function tracer up; that says nothing of a sandbox.
        locked = known.part == "functions" and "cannot be traced on this host" in why
        nothing_to_try = locked or (known.part == "scan" and found.own_kernel)
        return Found(detail=why, unsupported=True) if nothing_to_try else Found(error=why)
    try:
        return known.read(found)
    except (KeyError, ValueError) as error:
        return Found(error=f"the kernel's status lacks a field ({error})")
