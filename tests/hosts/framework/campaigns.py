"""Campaigns on a booted host, kept as short as what is asked of them allows."""

import json
from collections.abc import Sequence
from typing import Any

from tests.hosts.framework.machine import Machine

TARE = ".venv/bin/tare"
OUT = "/root/out"
"""Run folders lie there; a person finds them in ``--out``."""

Report = dict[str, Any]


def write(
    host: Machine, name: str, sandboxes: Sequence[str], workloads: Sequence[str], *, blocks: int = 1
) -> str:
    """Write a campaign's TOML file there; its path."""
    path = f"{OUT}/{name}.toml"
    lines = [
        f"name = {json.dumps(name)}",
        f"sandboxes = {json.dumps(list(sandboxes))}",
        f"workloads = {json.dumps(list(workloads))}",
        f"blocks_min = {blocks}",
        f"blocks_max = {blocks}",
        "budget_s = 3600",
    ]
    host.put(f"mkdir -p {OUT} && cat >{path}", ("\n".join(lines) + "\n").encode())
    return path


def measure(host: Machine, campaign: str, run: str) -> Report:
    """Run a campaign into the folder `run` below `OUT`; its report.

    Raises:
        CommandError: tare failed.
    """
    host.run(f"{TARE} run {campaign} --out {OUT}/{run}", timeout=1500)
    return report(host, run)


def report(host: Machine, run: str) -> Report:
    """The report of a run, as JSON."""
    found: Report = json.loads(host.run(f"cat {OUT}/{run}/summary.json").stdout)
    return found


def claim(report: Report, name: str) -> Report:
    """What a report says of one claim."""
    (found,) = [one for one in report["claims"] if one["id"] == name]
    return dict(found)


def had(report: Report) -> dict[str, str]:
    """Of every sandbox asked for: `measured`, or why not."""
    measured = {box["name"]: "measured" for box in report["sandboxes"]}
    failed = {f["sandbox"]: f"{f['workload']}: {f['detail']}" for f in report["failures"]}
    return {**measured, **failed, **report["absent"]}
