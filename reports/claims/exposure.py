"""Tell what a sandbox exposes: probes that leak and controls that stand open."""

from collections.abc import Iterable

from benchmarks.experiments import probes
from benchmarks.results import metrics
from benchmarks.results.records import SandboxInfo, Status
from reports.model.declaration import Claim, declared
from reports.model.records import WordRow
from reports.model.rundata import RunData

type Exposed = dict[tuple[str, str], bool]
"""Workload and probe to whether it leaks or is open; without those that have no result."""

LOOKED_AT = frozenset({metrics.LEAKS, metrics.CONTROLS})
OPEN = "open"
_WITHOUT = "no-"


def is_exposed(words: Iterable[str]) -> bool:
    """Whether the words of a probe or control say leak or open."""
    return not (declared().rules.leak_words | {OPEN}).isdisjoint(words)


def exposed(words: Iterable[WordRow], sandbox: str) -> Exposed:
    """Return whether each probe leaks and each control is open, where there is a result."""
    return {
        (row.workload, row.metric): is_exposed(row.words)
        for row in words
        if row.sandbox == sandbox and row.workload in LOOKED_AT and row.status is Status.OK
    }


def confirmed(claim: Claim, data: RunData, row: WordRow) -> bool:
    """Whether a leak rests on more than numbers that moved by themselves, read once."""
    kinds = {probe.id: probe.kind for probe in probes.PROBES}
    kind = kinds.get(row.metric)
    if kind in claim.confirmed_by and row.metric not in claim.unconfirmed:
        return True
    said = data.table[
        (data.table["sandbox"] == row.sandbox)
        & (data.table["workload"] == row.workload)
        & (data.table["metric"] == row.metric)
    ]
    every_time = set(said["text"]) <= declared().rules.leak_words
    return every_time and said["block"].nunique() >= claim.confirmed_readings


def without(data: RunData) -> dict[str, SandboxInfo]:
    """Return the containers that lack one technology of the default profile, by its name."""
    return {
        box.profile.removeprefix(_WITHOUT): box
        for box in data.info.sandboxes
        if box.kind == "container" and box.profile.startswith(_WITHOUT)
    }
