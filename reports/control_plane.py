"""What a container manager adds to the runtime that it drives."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.results import metrics
from benchmarks.stats import estimators
from reports.frame import measured, paired, select
from reports.model import ControlPlaneRow, Estimate

if TYPE_CHECKING:
    import pandas as pd

    from benchmarks.results.records import RunInfo, SandboxInfo

_COMPARED = {"startup_main_s": "start", "stop_s": "stop"}


def control_planes(info: RunInfo, table: pd.DataFrame) -> tuple[ControlPlaneRow, ...]:
    """Return a row for each manager whose runtime was measured directly in the same run, too."""
    names = {box.name for box in info.sandboxes}
    rows = []
    for box in info.sandboxes:
        alone = _alone(box)
        if alone not in names:
            continue
        for metric, title in _COMPARED.items():
            above = select(table, box.name, metrics.STARTUP, metric)
            below = select(table, alone, metrics.STARTUP, metric)
            pairs = paired(above, below)
            if not pairs:
                continue
            rows.append(
                ControlPlaneRow(
                    manager=box.name,
                    runtime=alone,
                    metric=metric,
                    title=title,
                    with_manager=_median(measured(above)["value"].tolist()),
                    alone=_median(measured(below)["value"].tolist()),
                    added=_median([one - two for one, two in pairs]),
                    times=Estimate.of(estimators.ratio(pairs)),
                ),
            )
    return tuple(rows)


def _alone(box: SandboxInfo) -> str:
    """Return the sandbox that drives the manager's runtime directly."""
    return f"oci:{box.details.get('oci_runtime', '')}"


def _median(values: list[float]) -> Estimate:
    return Estimate.of(estimators.interval(values))
