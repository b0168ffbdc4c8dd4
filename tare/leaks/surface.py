"""The attack surface: one line a count, one column a sandbox."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from benchmarks.experiments.surface import METHODS
from benchmarks.results import metrics
from benchmarks.results.records import Status, Unit
from tare.leaks import grid

if TYPE_CHECKING:
    from benchmarks.results.records import Sample
    from benchmarks.results.runfolder import Run

_NONE = "\N{EN DASH}"
_SHORT = {
    "host_calls": "host calls made, distinct",
    "host_ioctls": "ioctl commands made, distinct",
    "host_call_events": "host calls made, in all",
    "kernel_functions": "kernel functions gone through",
    "calls_entered": "calls past the filter (traced)",
    "calls_reached": "calls not refused (from inside)",
    "calls_evaluated": "calls allowed (filter evaluated)",
    "capabilities": "capabilities, effective",
    "capabilities_bounding": "capabilities, bounding",
    "seccomp": "seccomp",
    "no_new_privs": "no_new_privs",
}


def show(run: Run) -> None:
    """Print the table, and what keeps a cell empty."""
    samples = [sample for sample in run.samples if sample.workload == metrics.SURFACE]
    if not samples:
        return
    names = [box.name for box in run.info.sandboxes]
    cells = {(sample.metric, sample.sandbox): sample for sample in samples}
    rows = [
        grid.Row(_SHORT[metric], tuple(_cell(cells.get((metric, name))) for name in names))
        for metric in METHODS
    ]
    grid.show("attack surface", names, rows, right=True)
    for sample in samples:
        if sample.status is Status.FAILED:
            click.echo(f"tare: {sample.sandbox} {sample.metric}: {sample.detail}", err=True)


def explain(run: Run, metric: str) -> None:
    """Print how one number was found, and what lies behind it in each sandbox."""
    for sample in run.samples:
        if sample.workload == metrics.SURFACE and sample.metric == metric:
            click.echo(f"{sample.sandbox}: {_cell(sample)}")
            grid.say(sample.detail or "", "  ")


def _cell(sample: Sample | None) -> str:
    if sample is None or sample.status is Status.FAILED:
        return "error"
    if sample.unit is Unit.WORD and sample.text is not None:
        return sample.text
    return _NONE if sample.value is None else f"{sample.value:.0f}"
