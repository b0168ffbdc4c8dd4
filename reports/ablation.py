"""What each technology of the container buys, and what it costs: one row a technology."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.results import metrics
from benchmarks.results.records import Status
from benchmarks.stats import estimators
from reports.claims import declared
from reports.frame import paired, select
from reports.isolation_model import AblationRow
from reports.model import Estimate

if TYPE_CHECKING:
    import pandas as pd

    from benchmarks.results.records import RunInfo
    from reports.model import WordRow

_WITHOUT = "no-"
_OPEN = "open"
_MEMORY = ("cgroup_bytes", "pss_bytes")
"""What counts an instance's memory: its group's charge, which holds the kernel's part; else PSS."""


def ablation(
    info: RunInfo, table: pd.DataFrame, words: tuple[WordRow, ...]
) -> tuple[AblationRow, ...]:
    """Compare the default container with each one that lacks a technology; nothing without both.

    Args:
        info: What the run says of itself.
        table: Its samples, tidy.
        words: Its probes and controls.
    """
    containers = [box for box in info.sandboxes if box.kind == "container"]
    whole = next((box.name for box in containers if box.profile == "default"), None)
    if whole is None:
        return ()
    with_it = _exposed(words, whole)
    rows = []
    for box in containers:
        if not box.profile.startswith(_WITHOUT):
            continue
        without_it = _exposed(words, box.name)
        both = [probe for probe in with_it if probe in without_it]
        rows.append(
            AblationRow(
                technology=box.profile.removeprefix(_WITHOUT),
                sandbox=box.name,
                opened=tuple(p for _, p in both if _turned(p, both, without_it, with_it)),
                closed=tuple(p for _, p in both if _turned(p, both, with_it, without_it)),
                compared=len(both),
                cost_s=_cost(table, whole, box.name, metrics.STARTUP, "startup_main_s"),
                cost_bytes=next(
                    (
                        cost
                        for metric in _MEMORY
                        if (cost := _cost(table, whole, box.name, metrics.MEMORY, metric))
                    ),
                    None,
                ),
            ),
        )
    return tuple(rows)


def _exposed(words: tuple[WordRow, ...], sandbox: str) -> dict[tuple[str, str], bool]:
    """Return whether each probe leaks and each control is open, where there is a result."""
    bad = declared().rules.leak_words | {_OPEN}
    return {
        (row.workload, row.metric): not bad.isdisjoint(row.words)
        for row in words
        if row.sandbox == sandbox
        and row.workload in {metrics.LEAKS, metrics.CONTROLS}
        and row.status is Status.OK
    }


def _turned(
    probe: str,
    both: list[tuple[str, str]],
    exposed: dict[tuple[str, str], bool],
    shut: dict[tuple[str, str], bool],
) -> bool:
    return any(exposed[key] and not shut[key] for key in both if key[1] == probe)


def _cost(
    table: pd.DataFrame, whole: str, without: str, workload: str, metric: str
) -> Estimate | None:
    """Return by how much more there is with the technology, block by block; None without pairs."""
    pairs = paired(select(table, whole, workload, metric), select(table, without, workload, metric))
    if not pairs:
        return None
    return Estimate.of(estimators.interval([above - below for above, below in pairs]))
