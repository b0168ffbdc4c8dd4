"""Numbers for tools that compare benchmarks: benchstat, airspeed velocity, pytest-benchmark."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec

from benchmarks.results.records import Direction, Unit
from reports.errors import ReportError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reports.exports.source import Point, Source

_MILLISECONDS = 1000
_BETTER = {Direction.LOWER: "lower", Direction.HIGHER: "higher"}
_ASV_VERSION = 2
_ASV_COLUMNS = ("result", "params", "version", "stats_ci_99_a", "stats_ci_99_b", "samples")


def benchfmt(sources: Sequence[Source]) -> bytes:
    """Return the Go benchmark format: a line a block, each metric a unit of its own."""
    source = sources[0]
    lines = [f"tare: {source.document.tare_version}", f"run: {_one_line(source.document.run)}"]
    if source.run.info.commit:
        lines.append(f"commit: {_one_line(source.run.info.commit)}")
    units = {point.row.metric: point.row.direction for point in source.points}
    lines += [f"Unit {name} better={_BETTER[way]}" for name, way in units.items() if way in _BETTER]
    subjects: dict[str, list[Point]] = {}
    for point in source.points:
        subjects.setdefault(_go_name(point), []).append(point)
    for name, points in subjects.items():
        for block in range(max(len(point.blocks) for point in points)):
            pairs = [
                f"{point.blocks[block]!r} {point.row.metric}"
                for point in points
                if block < len(point.blocks)
            ]
            lines.append(f"{name} 1 {' '.join(pairs)}")
    return ("\n".join(lines) + "\n").encode()


def asv(sources: Sequence[Source]) -> bytes:
    """Return a result file of airspeed velocity, of what is better when it is smaller.

    It takes a greater number for a worse one, so the others are left out.

    Raises:
        ReportError: The run does not say which commit it measured.
    """
    source = sources[0]
    commit = source.run.info.commit
    if not commit:
        raise ReportError(
            "asv files results by commit and this run names none; measure with `tare run --commit`"
        )
    document = source.document
    identity = document.host.get("identity", {})
    results = {
        f"{point.row.workload}.{point.row.metric}.{point.row.sandbox}{point.parameters}": [
            [point.value],
            [],
            "1",
            [point.low],
            [point.high],
            [list(point.blocks)],
        ]
        for point in source.better(Direction.LOWER)
    }
    data = {
        "version": _ASV_VERSION,
        "commit_hash": commit,
        "date": int(document.created_at * _MILLISECONDS),
        "env_name": "tare",
        "env_vars": {},
        "python": "",
        "requirements": {},
        "params": {
            "machine": str(identity.get("hostname", "")),
            "cpu": str(identity.get("cpu_model", "")),
            "num_cpu": str(identity.get("cpus", "")),
            "tare": document.tare_version,
        },
        "result_columns": list(_ASV_COLUMNS),
        "results": results,
        "durations": {},
    }
    return msgspec.json.encode(data) + b"\n"


def pytest_benchmark(sources: Sequence[Source]) -> bytes:
    """Return a file that ``pytest-benchmark compare`` takes: lengths of time, a round a block."""
    source = sources[0]
    document = source.document
    identity = document.host.get("identity", {})
    began = datetime.fromtimestamp(document.created_at, UTC).isoformat()
    data = {
        "machine_info": {
            "node": str(identity.get("hostname", "")),
            "machine": str(identity.get("architecture", "")),
            "system": "Linux",
            "release": str(identity.get("kernel", "")),
            "cpu": {"brand_raw": str(identity.get("cpu_model", ""))},
        },
        "commit_info": {"id": source.run.info.commit or "unversioned", "time": began},
        "benchmarks": [
            _benchmark(point)
            for point in source.points
            if point.row.unit is Unit.SECONDS and point.blocks
        ],
        "datetime": began,
        "version": document.tare_version,
    }
    return msgspec.json.encode(data) + b"\n"


def _benchmark(point: Point) -> dict[str, Any]:
    from pytest_benchmark.stats import Stats

    stats = Stats()
    for value in point.blocks:
        stats.update(value)
    return {
        "group": f"{point.row.workload}/{point.row.metric}{point.parameters}",
        "name": point.name,
        "fullname": point.name,
        "params": None,
        "param": None,
        "extra_info": {
            "title": point.row.title,
            "failed": point.row.failed,
            "emulated": not point.row.admissible,
        },
        "options": {"timer": "tare", "disable_gc": False, "min_rounds": point.row.median.n},
        "stats": {
            **{field: getattr(stats, field) for field in Stats.fields},
            "data": list(point.blocks),
            "iterations": 1,
        },
    }


def _go_name(point: Point) -> str:
    """Return a name that begins as Go's do and holds no blank."""
    words = re.split(r"[^0-9A-Za-z]+", point.row.workload)
    name = "".join(word[:1].upper() + word[1:] for word in words if word)
    keys = {"sandbox": point.row.sandbox, **point.row.parameters}
    return (
        "Benchmark"
        + name
        + "".join(f"/{_one_word(key)}={_one_word(value)}" for key, value in keys.items())
    )


def _one_word(text: str) -> str:
    return re.sub(r"[\s/]+", "_", text)


def _one_line(text: str) -> str:
    return " ".join(text.split())
