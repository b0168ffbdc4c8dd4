"""Count a run: a row for each number and each word of each sandbox, and its failures."""

import json

import pandas as pd

from benchmarks.experiments import base as experiments
from benchmarks.results.records import Direction, MetricInfo, RunInfo, Status, Unit
from benchmarks.stats import estimators
from benchmarks.stats.levels import levels
from reports.model.declaration import admissible
from reports.model.frame import every, grouped, measured, nested, paired
from reports.model.records import Estimate, Failure, NumberRow, WordRow

NATIVE = "native"
_BAD = [status.value for status in Status if status.failure]


def numbers(
    info: RunInfo, table: pd.DataFrame, *, against_native: bool = True
) -> tuple[NumberRow, ...]:
    """Return a row for every metric that has a unit, in the run's own order.

    Args:
        info: What the run says of itself.
        table: Its samples, tidy.
        against_native: Whether to add the ratios to native, which take most of the time.
    """
    told = _told(info)
    sandboxes = {sandbox.name: sandbox for sandbox in info.sandboxes}
    numeric = table[table["unit"] != Unit.WORD.value]
    groups = grouped(numeric, "sandbox", "workload", "metric", "parameters")
    rows = []
    for (sandbox, workload, metric, parameters), samples in groups.items():
        told_of = told.get((workload, metric)) or _untold(workload, metric, samples)
        native = groups.get((NATIVE, workload, metric, parameters))
        good, taken = measured(samples)["value"], every(samples)["value"]
        spread = levels(nested(samples))
        to_native = None
        if against_native and native is not None and sandbox != NATIVE:
            pairs = paired(samples, native)
            if pairs:
                to_native = Estimate.of(estimators.ratio(pairs))
        rows.append(
            NumberRow(
                sandbox=sandbox,
                workload=workload,
                metric=metric,
                title=told_of.title,
                unit=told_of.unit,
                direction=told_of.direction,
                parameters=json.loads(parameters),
                ok=len(taken),
                failed=int(samples["status"].isin(_BAD).sum()),
                unsupported=int((samples["status"] == Status.UNSUPPORTED.value).sum()),
                flagged=int((samples["flags"] != "").sum()),
                median=Estimate.of(estimators.interval(good.to_numpy())),
                minimum=float(taken.min()) if len(taken) else None,
                maximum=float(taken.max()) if len(taken) else None,
                to_native=to_native,
                admissible=sandbox not in sandboxes or admissible(sandboxes[sandbox], metric),
                within=spread and spread.within,
                between=spread and spread.between,
                repetitions=spread.repetitions if spread else 0,
            )
        )
    return _in_order(info, rows)


def words(info: RunInfo, table: pd.DataFrame) -> tuple[WordRow, ...]:
    """Return a row for every probe, control and digest of every sandbox."""
    told = _told(info)
    rows = []
    spoken = table[table["unit"] == Unit.WORD.value]
    for (sandbox, workload, metric), samples in grouped(
        spoken, "sandbox", "workload", "metric"
    ).items():
        good = samples[samples["status"] == Status.OK.value]
        bad = samples[samples["status"] != Status.OK.value]
        shown = good if bad.empty else bad
        known = told.get((workload, metric))
        rows.append(
            WordRow(
                sandbox=sandbox,
                workload=workload,
                metric=metric,
                title=known.title if known else metric,
                words=tuple(good["text"].unique().tolist()),
                status=Status.OK if bad.empty else Status(bad["status"].iloc[0]),
                detail=str(shown["detail"].iloc[0]),
            )
        )
    return _in_order(info, rows)


def failures(table: pd.DataFrame) -> tuple[Failure, ...]:
    """Return what gave no value although it was tried, counted by its reason, most often first."""
    bad = table[table["status"].isin(_BAD)]
    groups = grouped(bad, "sandbox", "workload", "metric", "status", "detail")
    counted = [
        Failure(
            sandbox=sandbox,
            workload=workload,
            metric=metric,
            status=Status(status),
            detail=detail,
            count=len(rows),
        )
        for (sandbox, workload, metric, status, detail), rows in groups.items()
    ]
    return tuple(sorted(counted, key=lambda failure: -failure.count))


def _in_order[Row: (NumberRow, WordRow)](info: RunInfo, rows: list[Row]) -> tuple[Row, ...]:
    """Sort by what the run says of its metrics, then by parameters, 16 behind 2, then sandboxes."""
    metrics_ = {key: place for place, key in enumerate(_told(info))}
    boxes = {box.name: place for place, box in enumerate(info.sandboxes)}

    def key(row: Row) -> tuple[int, str, int]:
        parameters = getattr(row, "parameters", {})
        natural = {name: value.rjust(9) for name, value in parameters.items()}
        return (
            metrics_.get((row.workload, row.metric), len(metrics_)),
            json.dumps(natural, sort_keys=True),
            boxes.get(row.sandbox, len(boxes)),
        )

    return tuple(sorted(rows, key=key))


def _told(info: RunInfo) -> dict[tuple[str, str], MetricInfo]:
    """Return what the run, or else the catalogue, says of its metrics, in reporting order."""
    every = (*info.metrics, *experiments.catalogue())
    return {(told.workload, told.metric): told for told in every}


def _untold(workload: str, metric: str, samples: pd.DataFrame) -> MetricInfo:
    return MetricInfo(
        workload=workload,
        metric=metric,
        unit=Unit(samples["unit"].iloc[0]),
        direction=Direction.NEITHER,
        title=metric,
    )
