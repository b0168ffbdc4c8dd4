"""The sweep of /proc and /sys: totals, the host's own with evidence, what each profile changes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.experiments.probes import Verdict
from benchmarks.experiments.sweep import VERDICTS, totals
from benchmarks.results import metrics, sample_table
from benchmarks.results.records import Status
from benchmarks.sandboxes import isolation
from reports.isolation_model import SweptChange, SweptGroup, SweptSandbox

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.experiments.sweep import FileFinding
    from benchmarks.results.runfolder import Run


def is_container(kind: str) -> bool:
    """Tell whether sandboxes of a recorded kind are containers."""
    return isolation(kind) == "container"


def swept(run: Run) -> tuple[SweptSandbox, ...]:
    """Return what the run's sweeps found, in the order of its sandboxes; nothing without one.

    Raises:
        RunFolderError: A file of evidence in the run folder is damaged.
    """
    counts: dict[str, dict[str, int]] = {}
    errors: dict[str, str] = {}
    for sample in sample_table.of(run.samples, metrics.SWEEP):
        if sample.metric in totals.TITLES:
            if sample.status is Status.OK and sample.value is not None:
                counts.setdefault(sample.sandbox, {})[sample.metric] = int(sample.value)
            else:
                errors[sample.sandbox] = sample.detail or "no reason given"
    if not counts and not errors:
        return ()
    boxes = [box for box in run.info.sandboxes if box.name in counts or box.name in errors]
    found = {box.name: VERDICTS.read(run.path / "logs", box.name) or [] for box in boxes}
    base = next((box.name for box in boxes if box.kind == "container"), None)
    return tuple(
        SweptSandbox(
            sandbox=box.name,
            totals=counts.get(box.name, {}),
            error=errors.get(box.name),
            exposed=_exposed(found[box.name]),
            base=base if is_container(box.kind) and box.name != base else None,
            changes=_changes(found[base], found[box.name])
            if base is not None and is_container(box.kind) and box.name != base
            else (),
        )
        for box in boxes
    )


def _exposed(findings: Sequence[FileFinding]) -> tuple[SweptGroup, ...]:
    """Group what is the host's own, and what could not be read."""
    wanted = [one for one in findings if one.verdict in {Verdict.SHARED_LIVE, None}]
    return tuple(
        SweptGroup(
            pattern=group.pattern,
            files=group.files,
            path=group.first.path,
            verdict="error" if group.first.verdict is None else group.first.verdict.value,
            traits=tuple(trait.value for trait in group.first.traits),
            follows=group.first.follows,
            bits=group.first.bits,
            evidence=group.first.error or group.first.evidence,
        )
        for group in totals.groups(wanted)
    )


def _changes(base: Sequence[FileFinding], new: Sequence[FileFinding]) -> tuple[SweptChange, ...]:
    return tuple(
        SweptChange(pattern=one.pattern, files=one.files, base=one.base, new=one.new)
        for one in sorted(totals.changes(base, new), key=lambda one: (-one.files, one.pattern))
    )
