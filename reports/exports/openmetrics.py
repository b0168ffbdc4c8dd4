"""Gauges for Prometheus, by the rules of node_exporter's textfile collector: without timestamps."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from reports.exports.source import Point, Source

_UNITS = (("_per_s", "_per_second"), ("_s", "_seconds"), ("_s_per_event", "_seconds_per_event"))


def openmetrics(sources: Sequence[Source]) -> bytes:
    """Return a gauge family a metric, its median, and how many samples of each failed."""
    source = sources[0]
    document = source.document
    families: dict[str, list[Point]] = {}
    for point in source.points:
        families.setdefault(_family(point.row.metric), []).append(point)
    lines = ["# HELP tare_run_info The run the numbers are of.", "# TYPE tare_run_info gauge"]
    about = {"run": document.run, "tare": document.tare_version}
    lines += [f"tare_run_info{_labels(about)} 1"]
    for name, points in families.items():
        lines += [f"# HELP {name} {_help(points[0].row.title)}", f"# TYPE {name} gauge"]
        lines += [f"{name}{_labels(_which(point))} {point.value!r}" for point in points]
    lines += [
        "# HELP tare_failed_samples Samples that were tried for in vain.",
        "# TYPE tare_failed_samples gauge",
    ]
    lines += [
        f"tare_failed_samples{_labels({**keys, 'metric': row.metric})} {row.failed}"
        for row in document.numbers
        for keys in ({"sandbox": row.sandbox, "workload": row.workload, **row.parameters},)
    ]
    return ("\n".join([*lines, "# EOF"]) + "\n").encode()


def _which(point: Point) -> dict[str, str]:
    row = point.row
    emulated = {} if row.admissible else {"emulated": "true"}
    return {"sandbox": row.sandbox, "workload": row.workload, **row.parameters, **emulated}


def _family(metric: str) -> str:
    for short, long in _UNITS:
        if metric.endswith(short):
            metric = metric.removesuffix(short) + long
            break
    return "tare_" + re.sub(r"[^a-zA-Z0-9_]", "_", metric)


def _labels(pairs: Mapping[str, str]) -> str:
    return "{" + ",".join(f'{_label(key)}="{_quoted(text)}"' for key, text in pairs.items()) + "}"


def _label(key: str) -> str:
    name = re.sub(r"[^a-zA-Z0-9_]", "_", key)
    return f"_{name}" if name[:1].isdigit() else name


def _quoted(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def _help(text: str) -> str:
    return text.replace("\\", r"\\").replace("\n", r"\n")
