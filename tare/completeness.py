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


def judge(run: Run, *, allow_missing: bool) -> ExitCode:
    """Say what is missing, and return how a command ends that asked for all of it.

    Args:
        run: The run.
        allow_missing: Whether part of it is enough.
    """
    measured = {(one.sandbox, one.workload) for one in run.samples if one.status is Status.OK}
    if not measured:
        say("tare: nothing could be measured; the failures are in the report")
        return ExitCode.ERROR
    failed = list(_failed(run, measured))
    for what in failed:
        say(f"tare: {what}; see the report")
    for name, reason in run.info.absent.items():
        say(f"tare: {name} could not be had here: {cut(reason, _MOST)}")
    if allow_missing or not (failed or run.info.absent):
        return ExitCode.OK
    say("tare: the run is incomplete; --allow-missing ends with 0 all the same")
    return ExitCode.ERROR if failed else ExitCode.UNSUITABLE


def _failed(run: Run, measured: set[tuple[str, str]]) -> Iterator[str]:
    """Yield each sandbox and each workload that was tried for and gave nothing."""
    tried = {(one.sandbox, one.workload): one for one in run.samples if one.status.failure}
    alive = {sandbox for sandbox, _ in measured}
    for box in run.info.sandboxes:
        if box.name not in alive:
            yield f"{box.name} could not be measured"
            continue
        for sandbox, workload in tried:
            if sandbox == box.name and (sandbox, workload) not in measured:
                yield f"{workload} gave nothing in {sandbox}"
