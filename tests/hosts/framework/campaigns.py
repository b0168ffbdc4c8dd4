"""Campaigns on a booted host, kept as short as what is asked of them allows."""

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.results import runfolder
from benchmarks.results.records import Status
from benchmarks.results.runfolder import Run
from tests.hosts.framework.machine import Machine

TARE = ".venv/bin/tare"
OUT = "/root/out"
"""Run folders lie there; a person finds them in ``--out``."""

Report = dict[str, Any]


def write(
    host: Machine,
    name: str,
    sandboxes: Sequence[str],
    workloads: Sequence[str],
    *,
    blocks: int = 1,
    settings: str = "",
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
        settings,
    ]
    host.put(f"mkdir -p {OUT} && cat >{path}", ("\n".join(lines) + "\n").encode())
    return path


def measure(host: Machine, campaign: str, run: str) -> Run:
    """Run a campaign into the folder `run` below `OUT`, without its report, which takes longest.

    Raises:
        CommandError: tare failed.
    """
    __tracebackhide__ = True
    host.run(f"{TARE} run {campaign} --allow-missing --no-report --out {OUT}/{run}", timeout=1500)
    return load(host, run)


def load(host: Machine, run: str) -> Run:
    """What a run there measured."""
    with tempfile.TemporaryDirectory() as folder:
        host.fetch(f"{OUT}/{run}", Path(folder))
        return runfolder.load(Path(folder))


def report(host: Machine, run: str) -> Report:
    """The report of a run, as JSON."""
    done = host.run(f"{TARE} report {OUT}/{run} --format json", timeout=1500)
    found: Report = json.loads(done.stdout)
    return found


def claim(report: Report, name: str) -> Report:
    """What a report says of one claim."""
    (found,) = [one for one in report["claims"] if one["id"] == name]
    return dict(found)


def had(run: Run) -> dict[str, str]:
    """Of every sandbox asked for: `measured`, or why not."""
    failed = {
        sample.sandbox: f"{sample.workload}: {sample.detail}"
        for sample in run.samples
        if sample.status in {Status.FAILED, Status.TIMEOUT}
    }
    measured = dict.fromkeys((box.name for box in run.info.sandboxes), "measured")
    return {**measured, **failed, **run.info.absent}
