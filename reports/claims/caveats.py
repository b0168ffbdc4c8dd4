"""Say what must be known of a run: what stands before any number, and what to bear in mind."""

from benchmarks.results import metrics
from benchmarks.results.records import SandboxInfo, Status
from benchmarks.stats import estimators
from benchmarks.stats.dependence import dependence
from benchmarks.stats.warmup import warm_up
from reports.claims.drift import drifts
from reports.claims.registry import sentence
from reports.model.frame import grouped, measured, select
from reports.model.rundata import RunData
from reports.renderers import units

_MUCH_DEPENDENCE = 2.0
_FEW_EQUIVALENT = 10
"""Autocorrelation that inflates the median's variance by more, with as many independent values as
fewer than these, leaves an interval that is not to be relied on (docs/estimators.md)."""
_TOLD_BY_ROW = (
    metrics.LEAKS,
    metrics.CONTROLS,
    metrics.SWEEP,
    metrics.SURFACE,
    metrics.CHANNELS,
    metrics.INTERFERENCE,
    metrics.DENSITY,
)
"""What tare looks at to tell isolation: its own sections say row by row what there cannot be."""


def warnings(data: RunData) -> tuple[str, ...]:
    """Return what must stand before any number."""
    info, blocks, samples = data.info, data.blocks, len(data.run.samples)
    found = [_emulated(sandbox) for sandbox in info.sandboxes if not sandbox.admissible_cpu]
    found += [f"{name} could not be had: {reason}" for name, reason in info.absent.items()]
    if any(sandbox.kind == "fake" for sandbox in info.sandboxes):
        found.append("This run holds the fake sandbox, whose numbers are made up for tests.")
    if blocks < estimators.fewest():
        found.append(
            f"Only {blocks} block{'s' if blocks != 1 else ''}: below {estimators.fewest()} no "
            "median has a 95 % interval, so no claim that needs one is decided."
        )
    failed = sum(failure.count for failure in data.failures)
    if failed:
        share = units.percent(failed / samples)
        found.append(f"{failed} of {samples} samples ({share}) failed; each stands below.")
    changes = [one for one in data.once(drifts) if one.block is not None]
    if changes:
        more = f", and {len(changes) - 1} more; see the conditions" if len(changes) > 1 else ""
        found.append(f"The halves of this run differ: {changes[0].said}{more}.")
    return tuple(found)


def caveats(data: RunData) -> tuple[str, ...]:
    """Return what to know before using the numbers."""
    info, table, discarded = data.info, data.table, data.run.discarded
    found = [
        f"{sandbox.name}: {caveat}" for sandbox in info.sandboxes for caveat in sandbox.caveats
    ]
    if (info.host.get("identity") or {}).get("virtualised"):
        found.append(
            "The host is itself a virtual machine: its own hypervisor is in every number, and a "
            "VM measured on it is nested."
        )
    flags = table[table["flags"] != ""]["flags"].str.split().explode().value_counts()
    found += [
        f"{count} of {len(table)} samples were taken while the host showed {flag!r}; they are "
        "kept and counted."
        for flag, count in flags.items()
    ]
    found += [
        f"{sentence(one.said)}: the run is not of one kind, and a median over all of it stands "
        "between its halves."
        for one in data.once(drifts)
    ]
    found += _of_starts(data)
    unsupported = int((table["status"] == Status.UNSUPPORTED.value).sum())
    if unsupported:
        found.append(f"{unsupported} values do not exist in their sandbox; they are no failures.")
        found += _why_unsupported(data)
    if discarded:
        found.append(f"{discarded} journal lines of visits that never ended were left out.")
    if any(row.metric == "startup_main_s" for row in data.numbers):
        found.append(
            "Start times count from the request to the boundary named, on the host's clock; "
            "numbers published elsewhere often stop at another boundary."
        )
    return tuple(found)


def _of_starts(data: RunData) -> list[str]:
    """Say of each sandbox's starts whether they warm up, and whether they resemble each other."""
    found = []
    told = [one for one in data.once(drifts) if one.workload == metrics.STARTUP]
    changed = {one.sandbox for one in told if one.block is not None}
    for box in data.info.sandboxes:
        rows = measured(select(data.table, box.name, metrics.STARTUP, "startup_main_s"))
        starts = rows["value"].to_numpy()
        warm = warm_up(starts, seed=data.info.seed)
        if warm and box.name not in changed:
            found.append(
                f"The first {warm} starts of {box.name} differ from the rest (a warm-up); they are "
                "kept."
            )
        inflation = dependence(starts)
        equivalent = len(starts) / inflation
        known = len(starts) >= estimators.fewest()
        if known and inflation > _MUCH_DEPENDENCE and equivalent < _FEW_EQUIVALENT:
            found.append(
                f"Successive starts of {box.name} resemble each other: {len(starts)} of them tell "
                f"as much as {equivalent:.0f} independent ones. Their median's interval was "
                "widened and may still be too narrow; a ratio of paired blocks is free of it only "
                "as far as both sandboxes drift together."
            )
    return found


def _why_unsupported(data: RunData) -> list[str]:
    """Say once for each sandbox why it lacks what workloads give elsewhere."""
    table = data.table
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
