"""Hold a run with its table of samples and what is counted from it, each made at most once."""

from collections.abc import Callable, Iterable
from functools import cached_property
from statistics import median
from typing import Any

import pandas as pd

from benchmarks.results.records import SandboxInfo
from benchmarks.results.runfolder import Run
from reports.model import counted
from reports.model.frame import tidy
from reports.model.records import Failure, HostState, NumberRow, WordRow


class RunData:
    """A run, ready to be judged and shown.

    Attributes:
        run: The run folder, read.
        info: What the run says of itself.
    """

    def __init__(self, run: Run) -> None:
        """Take a run; nothing is counted before it is asked for."""
        self.run = run
        self.info = run.info
        self._made: dict[Callable[..., Any], Any] = {}

    @cached_property
    def table(self) -> pd.DataFrame:
        """Its samples, tidy.

        Raises:
            EmptyRunError: The run holds no finished measurement.
        """
        return tidy(self.run)

    @cached_property
    def flagged(self) -> int:
        """Number of samples that were taken while something disturbed the host."""
        return int((self.table["flags"] != "").sum())

    def without_flagged(self) -> "RunData":
        """Return the run as if what was flagged had not been measured."""
        other = RunData(self.run)
        other.table = self.table[self.table["flags"] == ""]
        return other

    @cached_property
    def numbers(self) -> tuple[NumberRow, ...]:
        """Every metric of every sandbox."""
        return counted.numbers(self.info, self.table)

    @cached_property
    def words(self) -> tuple[WordRow, ...]:
        """Every probe, control and digest of every sandbox."""
        return counted.words(self.info, self.table)

    @cached_property
    def failures(self) -> tuple[Failure, ...]:
        """Samples that gave nothing, most often first."""
        return counted.failures(self.table)

    @cached_property
    def blocks(self) -> int:
        """Number of blocks with at least one closed visit."""
        return len({visit.block for visit in self.run.visits} or set(self.table["block"]))

    @property
    def dead_share(self) -> float | None:
        """Share of the campaign's wall time that went neither into preparing nor into measuring."""
        known = [
            (visit.dead_s, visit.wall_s)
            for visit in self.run.visits
            if visit.dead_s is not None and visit.wall_s is not None
        ]
        wall = sum(wall for _, wall in known)
        return sum(dead for dead, _ in known) / wall if wall > 0 else None

    @property
    def host_states(self) -> dict[str, HostState]:
        """The median and the largest of what the host did during each visit."""
        told: dict[str, list[float]] = {}
        for visit in self.run.visits:
            for key, value in visit.meanwhile.items():
                told.setdefault(key, []).append(value)
        return {
            key: HostState(median=median(values), most=max(values)) for key, values in told.items()
        }

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the sandboxes measured, in the campaign's order."""
        return tuple(box.name for box in self.info.sandboxes)

    def once[Made](self, make: Callable[["RunData"], Made]) -> Made:
        """Return what a function makes of this run, made at most once."""
        if make not in self._made:
            self._made[make] = make(self)
        made: Made = self._made[make]
        return made

    def of(self, *workloads: str) -> list[NumberRow]:
        """Return the numbers of some workloads."""
        return [row for row in self.numbers if row.workload in workloads]

    def sandbox(self, kind: str) -> SandboxInfo | None:
        """Return the sandbox that stands for a kind: the one of that very name, else the first."""
        found = [sandbox for sandbox in self.info.sandboxes if sandbox.kind == kind]
        return next((one for one in found if one.name == kind), found[0] if found else None)

    def missing(self, kinds: Iterable[str]) -> str | None:
        """Say which of these kinds of sandbox the run lacks, and why; None where it has all."""
        for kind in kinds:
            if self.sandbox(kind) is None:
                reason = self.info.absent.get(kind)
                return (
                    f"{kind} could not be had on this host: {reason}"
                    if reason
                    else f"the run did not measure {kind}"
                )
        return None
