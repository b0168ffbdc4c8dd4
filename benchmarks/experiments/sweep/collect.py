"""Carries a sweep out: host, sandbox, host, sandbox; then who follows whom."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from benchmarks.experiments.probes.engine import shares_kernel
from benchmarks.experiments.probes.model import UnreadableError, Verdict
from benchmarks.experiments.sweep import host, listing, wire
from benchmarks.experiments.sweep.model import Quartet, Response, Sweep
from benchmarks.experiments.sweep.rules import judge
from benchmarks.experiments.sweep.stimuli import (
    Course,
    Stimulus,
    entropy_bits,
    movements,
    response,
    stimuli,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

type Run = Callable[[list[str], bytes], bytes]
"""Runs a command with a standard input in the sandbox; returns its standard output."""

CHUNK = 1500
"""Files read at one go, so that the four readings of one lie within half a second."""
_SLOW_CHUNK = 20_000
"""Where the sandbox has a kernel of its own nothing changes along, and starts may be slow."""
_PASSES, _SLOW_PASSES = 5, 2
_APART_S = 0.2
_HELD_S = 0.8
_HELD_FREE_HELD_S = (0.5, 1.3, 2.1)
"""Moments at which a sandbox holds, has let go, and holds again; a start may take 0.3 s."""
_READINGS = 12
_READINGS_APART_S = 0.05


class _Reading(NamedTuple):
    at: float
    lines: dict[str, str]


def collect(
    run: Run,
    paths: Sequence[str] | None = None,
    held: Sequence[Stimulus] | None = None,
) -> Sweep:
    """Read every readable file of /proc and /sys on both sides, and try who follows whom.

    Args:
        run: Runs a command in the sandbox. An ``UnreadableError`` from it becomes the sweep's
            error; whatever else it raises passes through.
        paths: Files to read instead of all.
        held: What is held in turn, first by the host and then by the sandbox; each kind by default.
    """
    began = time.monotonic()
    wanted = tuple(listing.readable_files() if paths is None else paths)
    try:
        own = not shares_kernel(lambda args: run(args, b""))
        sweep = _read(run, wanted, _SLOW_CHUNK if own else CHUNK, own_kernel=own)
        sweep = _look_again(run, sweep)
        sweep = _stimulate(run, sweep, stimuli() if held is None else held)
    except UnreadableError as error:
        sweep = Sweep(paths=wanted, error=str(error))
    return msgspec.structs.replace(sweep, took_s=time.monotonic() - began)


def _read(run: Run, wanted: Sequence[str], chunk: int, *, own_kernel: bool) -> Sweep:
    kept: list[str] = []
    columns: tuple[list[str], ...] = ([], [], [], [])
    unreadable: dict[str, str] = {}
    masks: dict[str, str] = {}
    for begin in range(0, len(wanted), chunk):
        asked = wanted[begin : begin + chunk]
        first = host.read(asked).lines
        unreadable |= {p: x[1:] for p, x in zip(asked, first, strict=True) if x[0] != "T"}
        paths = [path for path in asked if path not in unreadable]
        one = _inside(run, paths)
        second = host.read(paths).lines
        two = _inside(run, paths)
        masks |= one.masks
        told = [x for x in first if x.startswith("T")]
        for row in zip(paths, told, second, one.lines, two.lines, strict=True):
            if not row[2].startswith("T"):
                unreadable[row[0]] = f"gone when read again: {row[2][1:]}"
                continue
            kept.append(row[0])
            for column, line in zip(columns, row[1:], strict=True):
                column.append(line)
    return Sweep(
        paths=tuple(kept),
        host=(tuple(columns[0]), tuple(columns[1])),
        sandbox=(tuple(columns[2]), tuple(columns[3])),
        masks=masks,
        own_kernel=own_kernel,
        unreadable=unreadable,
    )


def _look_again(run: Run, sweep: Sweep) -> Sweep:
    """Read what changes again and again: so few files that the four readings lie close together."""
    rows = list(zip(sweep.paths, *sweep.host, *sweep.sandbox, strict=True))
    varying = [p for p, a, b, c, d in rows if a != b or c != d]
    again: dict[str, list[Quartet]] = {}
    for _ in range(_SLOW_PASSES if sweep.own_kernel else _PASSES):
        closer = _read(run, varying, _SLOW_CHUNK, own_kernel=sweep.own_kernel)
        (one, two), (within, around) = closer.host, closer.sandbox
        for path, *lines in zip(closer.paths, one, within, two, around, strict=True):
            a, b, c, d = lines
            again.setdefault(path, []).append((a, b, c, d))
    return msgspec.structs.replace(sweep, again={path: tuple(q) for path, q in again.items()})


def _inside(run: Run, paths: Sequence[str]) -> wire.Answer:
    return wire.parse(run(wire.reading(), listing.encode(paths)), len(paths))


def _stimulate(run: Run, sweep: Sweep, every: Sequence[Stimulus]) -> Sweep:
    """Let the host hold things, then the sandbox, and see which files answer."""
    candidates = [
        path
        for path, line in zip(sweep.paths, sweep.sandbox[1], strict=True)
        if line.startswith("T")
    ]
    if sweep.own_kernel:
        # Nothing can follow the host there; only what looks as if it did is tried.
        live = {found.path for found in judge(sweep) if found.verdict is Verdict.SHARED_LIVE}
        candidates = [path for path in candidates if path in live]
    if not candidates:
        return sweep
    responses: dict[str, list[Response]] = {}
    for one in every:
        moved = [p for p, c in _around(None, candidates, one)[0].items() if movements(c, one.least)]
        ours, theirs = _around(run, moved, one)
        for path in ours.keys() & theirs.keys():
            if found := response(one.act, ours[path], theirs[path], one.least):
                responses.setdefault(path, []).append(found)
    sweep = msgspec.structs.replace(sweep, responses={p: tuple(r) for p, r in responses.items()})
    changing = [
        found.path
        for found in judge(sweep)
        if found.verdict is Verdict.SHARED_LIVE
        and (found.path in responses or found.path in sweep.again)
    ]
    return msgspec.structs.replace(
        sweep, influence=_influence(run, changing, every), bits=_bits(changing)
    )


def _around(
    run: Run | None, paths: Sequence[str], held: Stimulus
) -> tuple[dict[str, Course], dict[str, Course]]:
    """Read the host, and the sandbox if one is given, around what the host holds twice."""
    readings: tuple[list[_Reading], list[_Reading]] = ([], [])

    def read() -> None:
        readings[0].append(_of_host(paths))
        if run is not None:
            at = time.monotonic()
            answer = _inside(run, paths)
            readings[1].append(_Reading(at, dict(zip(paths, answer.lines, strict=True))))

    if not paths:
        return {}, {}
    read()
    time.sleep(_APART_S)
    read()
    with host.holds(held.act, held.amount):
        read()
    read()
    with host.holds(held.act, held.amount):
        read()
    return _courses(readings[0]), _courses(readings[1]) if run is not None else {}


def _of_host(paths: Sequence[str]) -> _Reading:
    at = time.monotonic()
    return _Reading(at, dict(zip(paths, host.read(paths).lines, strict=True)))


def _courses(readings: Sequence[_Reading]) -> dict[str, Course]:
    """Put each file's readings together, where all of them are texts."""
    courses = {}
    times = tuple(reading.at for reading in readings)
    for path in readings[0].lines:
        lines = [reading.lines[path] for reading in readings]
        if all(line.startswith("T") for line in lines):
            courses[path] = Course(tuple(line[1:] for line in lines), times)
    return courses


def _influence(
    run: Run, paths: Sequence[str], every: Sequence[Stimulus]
) -> Mapping[str, tuple[str, ...]]:
    """Let the sandbox hold each thing in turn, twice, and see which of the host's files move."""
    found: dict[str, list[str]] = {}
    for one in every if paths else ():
        readings = [_of_host(paths)]
        time.sleep(_APART_S)
        readings.append(_of_host(paths))
        command = wire.holding(one.act, one.amount, _HELD_S)
        with ThreadPoolExecutor(1, thread_name_prefix="sweep") as pool:
            began = time.monotonic()
            holding = pool.submit(run, command, b"")
            for moment in _HELD_FREE_HELD_S:
                time.sleep(max(0.0, began + moment - time.monotonic()))
                readings.append(_of_host(paths))
            holding.result()
        for path, course in _courses(readings).items():
            if movements(course, one.least):
                found.setdefault(path, []).append(one.act)
    return {path: tuple(acts) for path, acts in found.items()}


def _bits(paths: Sequence[str]) -> dict[str, float]:
    """Estimate what one reading of each file tells, from the host's own readings."""
    if not paths:
        return {}
    rows = []
    for _ in range(_READINGS):
        rows.append(host.read(paths).lines)
        time.sleep(_READINGS_APART_S)
    return {
        path: round(entropy_bits(lines), 2)
        for path, lines in zip(paths, zip(*rows, strict=True), strict=True)
    }
