"""Record what a history found, frozen: the one object that text, JSON and page are made of."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from benchmarks.results.records import Direction, Unit
from reports.comparison.changes import Effect
from reports.model.records import Estimate


class Sort(StrEnum):
    """How a finding was made."""

    CHANGE = "change"
    LATEST = "latest runs"
    DRIFT = "slow drift"
    FAILED = "failed"


class Mark(msgspec.Struct, frozen=True, kw_only=True):
    """A run as a history knows it.

    Attributes:
        run: Its identifier.
        path: Its folder.
        created_at: Seconds since the epoch.
        host: Name of the class of its host.
        commit: What was measured, where it says.
    """

    run: str
    path: str
    created_at: float
    host: str
    commit: str | None = None


class Host(msgspec.Struct, frozen=True, kw_only=True):
    """A class of hosts: its name, it in words, and its number of runs."""

    name: str
    title: str
    runs: int


class Epoch(msgspec.Struct, frozen=True, kw_only=True):
    """Runs of one kernel and one image.

    Attributes:
        host: Class of the host.
        first: Place of its first run.
        changed: What is another than before, a sentence each; empty for the first.
    """

    host: str
    first: int
    changed: tuple[str, ...]


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """Something that became of a series.

    Attributes:
        sort: How it was found.
        effect: Whether it is worse or better.
        first: Place of the earliest run that may be the first of the new level.
        at: Place of the run that most likely is.
        last: Place of the latest that may be.
        ratio: New level over old one; None where a level is 0 or less.
        before: Median of the old level.
        after: Median of the new one.
        n_before: Runs of the old level.
        n_after: Runs of the new level.
        p: p-value; of the last change, the latest runs and a drift after the correction over all
            series.
        provisional: Whether it lies within 5 runs of either end, or has fewer than 10 around it.
        standing: Whether it is the series' last, so that its level is today's.
        alarm: Whether the command ends with 3 for it.
        acknowledged: The reason for which it is no alarm; empty where nobody gave one.
        epoch: Whether a kernel or image changed within its interval.
        host_like: Why it looks like the host's; empty where it does not.
        differences: What else the runs on both sides say of themselves, a sentence each.
        commits: Commits of the runs between, that of the last good one first.
        unmeasured: Commits between that no run has measured.
        bisect: Commands that narrow it down.
    """

    sort: Sort
    effect: Effect
    first: int
    at: int
    last: int
    ratio: Estimate | None
    before: float | None
    after: float | None
    n_before: int
    n_after: int
    p: float | None
    provisional: bool = False
    standing: bool = False
    alarm: bool = False
    acknowledged: str = ""
    epoch: bool = False
    host_like: str = ""
    differences: tuple[str, ...] = ()
    commits: tuple[str, ...] = ()
    unmeasured: tuple[str, ...] = ()
    bisect: str = ""


class Series(msgspec.Struct, frozen=True, kw_only=True):
    """One metric of one sandbox over the runs of one class of host, measured in one way.

    Attributes:
        id: Short digest of what it is, for links.
        name: Sandbox, workload, metric and parameters: how a file of acknowledgements calls it.
        host: Class of the host.
        sandbox: Name of the sandbox.
        workload: Name of the workload.
        metric: Name of the metric.
        parameters: Dimensions that tell it from its neighbours.
        method: Digest of how it was measured.
        title: The metric in words.
        unit: Unit of the values.
        direction: Which way is better.
        by_native: Whether values are over native's in the same block.
        role: ``judged``, ``host`` or ``context``.
        current: Whether one of the last runs of its class has it.
        runs: Places of the runs that have a value or failed.
        values: Their medians; None where a run failed.
        low: Lower ends of the medians' intervals, or None.
        high: Upper ends.
        findings: What became of it, in order.
    """

    id: str
    name: str
    host: str
    sandbox: str
    workload: str
    metric: str
    parameters: dict[str, str]
    method: str
    title: str
    unit: Unit
    direction: Direction
    by_native: bool
    role: str
    current: bool
    runs: tuple[int, ...]
    values: tuple[float | None, ...]
    low: tuple[float | None, ...]
    high: tuple[float | None, ...]
    findings: tuple[Finding, ...] = ()

    @property
    def shown_unit(self) -> Unit:
        """Unit of the values themselves."""
        return Unit.RATIO if self.by_native else self.unit


class History(msgspec.Struct, frozen=True, kw_only=True):
    """Many runs, as series.

    Attributes:
        threshold: Smallest relative change that is an alarm, as a fraction.
        runs: The runs, in the order of their time.
        hosts: The classes of hosts.
        epochs: Where a kernel or an image changed.
        series: The series, what changed last first.
        notes: What looks like the host, and what was left out.
        missing: What could be measured later to know more.
        tested: Series that an alarm was possible in.
    """

    threshold: float
    runs: tuple[Mark, ...]
    hosts: tuple[Host, ...]
    epochs: tuple[Epoch, ...]
    series: tuple[Series, ...]
    notes: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    tested: int = 0

    @property
    def alarms(self) -> tuple[tuple[Series, Finding], ...]:
        """Regressions that stand and that nobody has acknowledged."""
        return tuple((one, found) for one in self.series for found in one.findings if found.alarm)

    @property
    def regressed(self) -> bool:
        """Whether there is an alarm."""
        return bool(self.alarms)
