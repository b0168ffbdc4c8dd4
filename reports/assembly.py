"""Puts a whole report together from a run, before any renderer sees it."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING

from benchmarks.results import metrics
from benchmarks.results.records import Status
from benchmarks.stats import estimators
from benchmarks.stats.order_statistics import dependence
from benchmarks.stats.warmup import warm_up
from reports import ablation, channels, control_plane, interference, summary, surface, sweep, units
from reports.case import Case
from reports.document_model import Document
from reports.frame import grouped, measured, select
from reports.judge import judge
from reports.model import REPORT_SCHEMA_VERSION, Failure, Meanwhile, NumberRow
from reports.reproduction import reproduction

if TYPE_CHECKING:
    import pandas as pd

    from benchmarks.results.records import RunInfo, SandboxInfo
    from benchmarks.results.runfolder import Run


_MUCH_DEPENDENCE = 2.0
_FEW_EQUIVALENT = 10
_TOLD_BY_ROW = (
    metrics.LEAKS,
    metrics.CONTROLS,
    metrics.SWEEP,
    metrics.SURFACE,
    metrics.CHANNELS,
    metrics.INTERFERENCE,
    metrics.DENSITY,
)
"""Autocorrelation that inflates the median's variance by more, with as many independent values as
fewer than these, leaves an interval that is not to be relied on (docs/statistics.md)."""


def document(run: Run, table: pd.DataFrame) -> Document:
    """Summarise and judge a run.

    Args:
        run: The run.
        table: Its samples, tidy.
    """
    info = run.info
    numbers = summary.numbers(info, table)
    words = summary.words(info, table)
    failures = summary.failures(table)
    case = Case(info, table, words)
    blocks = len({visit.block for visit in run.visits} or set(table["block"]))
    return Document(
        schema=REPORT_SCHEMA_VERSION,
        run=info.run,
        created_at=info.created_at,
        tare_version=info.tare_version,
        blocks=blocks,
        samples=len(run.samples),
        discarded=run.discarded,
        seconds=sum(visit.seconds for visit in run.visits),
        dead_share=_dead_share(run),
        host=info.host,
        image=info.image,
        resources=info.resources,
        sandboxes=info.sandboxes,
        absent=info.absent,
        campaign=info.campaign,
        harness=info.harness,
        tools=info.tools,
        warnings=tuple(_warnings(info, blocks, failures, len(run.samples))),
        caveats=tuple(_caveats(info, table, numbers, run.discarded)),
        claims=judge(case),
        numbers=numbers,
        words=words,
        failures=failures,
        sweeps=sweep.swept(run),
        surface=surface.surface(run),
        reproduction=reproduction(case),
        channels=channels.channels(run),
        ordeals=interference.ordeals(run),
        accounts=interference.accounts(run),
        ablation=ablation.ablation(info, table, words),
        control_planes=control_plane.control_planes(info, table),
        meanwhile=_meanwhile(run),
    )


def _dead_share(run: Run) -> float | None:
    known = [
        (visit.dead_s, visit.wall_s)
        for visit in run.visits
        if visit.dead_s is not None and visit.wall_s is not None
    ]
    wall = sum(wall for _, wall in known)
    return sum(dead for dead, _ in known) / wall if wall > 0 else None


def _warnings(info: RunInfo, blocks: int, failures: tuple[Failure, ...], samples: int) -> list[str]:
    """Return what must stand before any number."""
    found = [_emulated(sandbox) for sandbox in info.sandboxes if not sandbox.admissible_cpu]
    found += [f"{name} could not be had: {reason}" for name, reason in info.absent.items()]
    if any(sandbox.kind == "fake" for sandbox in info.sandboxes):
        found.append("This run holds the fake sandbox, whose numbers are made up for tests.")
    if blocks < estimators.fewest():
        found.append(
            f"Only {blocks} block{'s' if blocks != 1 else ''}: below {estimators.fewest()} no "
            "median has a 95 % interval, so no claim that needs one is decided.",
        )
    failed = sum(failure.count for failure in failures)
    if failed:
        share = units.percent(failed / samples)
        found.append(f"{failed} of {samples} samples ({share}) failed; each stands below.")
    return found


def _caveats(
    info: RunInfo, table: pd.DataFrame, numbers: tuple[NumberRow, ...], discarded: int
) -> list[str]:
    found = [
        f"{sandbox.name}: {caveat}" for sandbox in info.sandboxes for caveat in sandbox.caveats
    ]
    if info.host.get("identity", {}).get("virtualised"):
        found.append(
            "The host is itself a virtual machine: its own hypervisor is in every number, and a "
            "VM measured on it is nested.",
        )
    flags = table[table["flags"] != ""]["flags"].str.split().explode().value_counts()
    found += [
        f"{count} of {len(table)} samples were taken while the host showed {flag!r}; they are "
        "kept and counted."
        for flag, count in flags.items()
    ]
    found += _of_starts(info, table)
    unsupported = int((table["status"] == Status.UNSUPPORTED.value).sum())
    if unsupported:
        found.append(f"{unsupported} values do not exist in their sandbox; they are no failures.")
        found += _why_unsupported(table)
    if discarded:
        found.append(f"{discarded} journal lines of visits that never ended were left out.")
    if any(row.metric == "startup_main_s" for row in numbers):
        found.append(
            "Start times count from the request to the boundary named, on the host's clock; "
            "numbers published elsewhere often stop at another boundary.",
        )
    return found


def _meanwhile(run: Run) -> dict[str, Meanwhile]:
    """Return the median and the largest of what the host did during each visit."""
    told: dict[str, list[float]] = {}
    for visit in run.visits:
        for key, value in visit.meanwhile.items():
            told.setdefault(key, []).append(value)
    return {key: Meanwhile(median=median(values), most=max(values)) for key, values in told.items()}


def _of_starts(info: RunInfo, table: pd.DataFrame) -> list[str]:
    """Say of each sandbox's starts whether they warm up, and whether they resemble each other."""
    found = []
    for box in info.sandboxes:
        rows = measured(select(table, box.name, metrics.STARTUP, "startup_main_s"))
        starts = rows["value"].to_numpy()
        warm = warm_up(starts, seed=info.seed)
        if warm:
            found.append(
                f"The first {warm} starts of {box.name} differ from the rest (a warm-up); they are "
                "kept.",
            )
        inflation = dependence(starts)
        equivalent = len(starts) / inflation
        known = len(starts) >= estimators.fewest()
        if known and inflation > _MUCH_DEPENDENCE and equivalent < _FEW_EQUIVALENT:
            found.append(
                f"Successive starts of {box.name} resemble each other: {len(starts)} of them tell "
                f"as much as {equivalent:.0f} independent ones. Their median's interval was "
                "widened and may still be too narrow; a ratio of paired blocks is free of it only "
                "as far as both sandboxes drift together.",
            )
    return found


def _why_unsupported(table: pd.DataFrame) -> list[str]:
    """Say once for each sandbox why it lacks what workloads give elsewhere.

    What tare looks at to tell isolation is left out: its own sections say so, row by row.
    """
    lacking = table[(table["status"] == Status.UNSUPPORTED.value) & (table["detail"] != "")]
    untold = lacking[~lacking["workload"].isin(_TOLD_BY_ROW)]
    return [f"{sandbox}: {detail}." for sandbox, detail in grouped(untold, "sandbox", "detail")]


def _emulated(sandbox: SandboxInfo) -> str:
    how = f" ({sandbox.accelerator.upper()})" if sandbox.accelerator else ""
    return (
        f"The CPU of {sandbox.name} is emulated in software{how}. Speeds inside it, and durations "
        "that wait for its CPU, are not admissible: they rank against nothing and are hatched, "
        "hollow or marked with \N{DAGGER} below."
    )
