"""Tell a run that measured all that was asked for from one that did in part, or not at all."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.results.printable import cut
from benchmarks.results.records import Status
from tare.errors import ExitCode
from tare.terminal import say

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.results.runfolder import Run

_MOST = 1_000


def judge(run: Run, *, allow_missing: bool, kept: bool = True) -> ExitCode:
    """Say what is missing, and return how a command ends that asked for all of it.

    Args:
        run: The run.
        allow_missing: Whether part of it is enough.
        kept: Whether there is a run folder for a report.
    """
    measured = {(one.sandbox, one.workload) for one in run.samples if one.status is Status.OK}
    see = "; see the report" if kept else ""
    for what in (failed := list(_failed(run, measured))):
        say(f"tare: {what}{see}")
    for name, reason in run.info.absent.items():
        say(f"tare: {name} could not be had here: {cut(reason, _MOST)}")
    if not measured:
        say(f"tare: nothing could be measured{see}")
        return ExitCode.ERROR
    if allow_missing or not (failed or run.info.absent):
        return ExitCode.OK
    say("tare: the run is incomplete; --allow-missing ends with 0 all the same")
    return ExitCode.ERROR if failed else ExitCode.UNSUITABLE


def _failed(run: Run, measured: set[tuple[str, str]]) -> Iterator[str]:
    """Yield each sandbox and each workload that was tried for and gave nothing, with the reason."""
    tried = {
        (one.sandbox, one.workload): cut(one.detail or "no reason given", _MOST)
        for one in reversed(run.samples)
        if one.status.failure
    }
    alive = {sandbox for sandbox, _ in measured}
    for box in run.info.sandboxes:
        here = {workload: why for (name, workload), why in tried.items() if name == box.name}
        if box.name not in alive:
            why = next(iter(here.values()), "it was not tried")
            yield f"{box.name} could not be measured: {why}"
            continue
        for workload, why in here.items():
            if (box.name, workload) not in measured:
                yield f"{workload} gave nothing in {box.name}: {why}"
