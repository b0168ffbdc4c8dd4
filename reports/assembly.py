"""Puts a whole report together from a run, before any renderer sees it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks import metrics, statistics
from benchmarks.records import Status
from reports import ablation, channels, interference, summary, surface, sweep, units
from reports.case import Case
from reports.frame import grouped
from reports.judge import judge
from reports.model import REPORT_SCHEMA_VERSION, Document, Failure, NumberRow
from reports.reproduction import reproduction

if TYPE_CHECKING:
    import pandas as pd

    from benchmarks.records import RunInfo, SandboxInfo
    from benchmarks.runfolder import Run


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
    )


def _warnings(info: RunInfo, blocks: int, failures: tuple[Failure, ...], samples: int) -> list[str]:
    """Return what must stand before any number."""
    found = [_emulated(sandbox) for sandbox in info.sandboxes if not sandbox.admissible_cpu]
    found += [f"{name} could not be had: {reason}" for name, reason in info.absent.items()]
    if any(sandbox.kind == "fake" for sandbox in info.sandboxes):
        found.append("This run holds the fake sandbox, whose numbers are made up for tests.")
    if blocks < statistics.fewest():
        found.append(
            f"Only {blocks} block{'s' if blocks != 1 else ''}: below {statistics.fewest()} no "
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


def _why_unsupported(table: pd.DataFrame) -> list[str]:
    """Say once for each sandbox why it lacks what workloads give elsewhere.

    What tare looks at itself is left out: its own sections say so, row by row.
    """
    lacking = table[(table["status"] == Status.UNSUPPORTED.value) & (table["detail"] != "")]
    of_files = lacking[~lacking["workload"].isin(metrics.BUILT_IN)]
    return [f"{sandbox}: {detail}." for sandbox, detail in grouped(of_files, "sandbox", "detail")]


def _emulated(sandbox: SandboxInfo) -> str:
    how = f" ({sandbox.accelerator.upper()})" if sandbox.accelerator else ""
    return (
        f"The CPU of {sandbox.name} is emulated in software{how}. Speeds inside it, and durations "
        "that wait for its CPU, are not admissible: they rank against nothing and are hatched, "
        "hollow or marked with \N{DAGGER} below."
    )
