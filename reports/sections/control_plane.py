"""Show what a container manager adds to the runtime that it drives."""

import msgspec

from benchmarks.results import metrics
from benchmarks.results.records import Unit
from benchmarks.stats import estimators
from reports.model.content import Content, Table, columns, said
from reports.model.frame import measured, paired, select
from reports.model.records import Estimate
from reports.model.rundata import RunData
from reports.renderers import units
from reports.sections import tables
from reports.sections.base import Section

_COMPARED = {"startup_main_s": "start", "stop_s": "stop"}
_COLUMNS = columns(
    "Manager", "Runtime alone", "", "With the manager#", "Alone#", "Added#", "Ratio#"
)


class ControlPlaneRow(msgspec.Struct, frozen=True, kw_only=True):
    """What a container manager adds to the runtime that it drives, block by block.

    Attributes:
        manager: The sandbox with the manager.
        runtime: The sandbox that drives the same runtime directly.
        metric: What is compared.
        title: It in words.
        with_manager: Median with the manager.
        alone: Median of the runtime alone.
        added: Median of the differences, in seconds.
        times: Median of the ratios.
    """

    manager: str
    runtime: str
    metric: str
    title: str
    with_manager: Estimate
    alone: Estimate
    added: Estimate
    times: Estimate


def build(data: RunData) -> Content:
    """Lay each manager beside its runtime alone, block by block."""
    rows = control_planes(data)
    if not rows:
        return Content(records={"control_planes": rows})
    intro = (
        "A manager as its users call it, beside the runtime that it drives called directly, block "
        "by block. What differs between the two containers stands with each sandbox in the run's "
        "description."
    )
    table = Table(
        "Control planes",
        _COLUMNS,
        tuple(
            (
                row.manager,
                row.runtime,
                row.title,
                *(
                    tables.estimate(v, Unit.SECONDS)
                    for v in (row.with_manager, row.alone, row.added)
                ),
                tables.estimate(row.times, Unit.RATIO),
            )
            for row in rows
        ),
        titled=False,
    )
    return Content(
        blocks=(said(intro), table),
        records={"control_planes": rows},
        facts=tuple(
            f"{row.manager} adds {units.estimate(row.added, Unit.SECONDS)} to a {row.title} of "
            f"{row.runtime}"
            for row in rows
        ),
    )


def control_planes(data: RunData) -> tuple[ControlPlaneRow, ...]:
    """Return a row for each manager whose runtime was measured directly in the same run, too."""
    rows = []
    for box in data.info.sandboxes:
        alone = f"oci:{box.details.get('oci_runtime', '')}"
        if alone not in data.names:
            continue
        for metric, title in _COMPARED.items():
            above, below = (
                select(data.table, name, metrics.STARTUP, metric) for name in (box.name, alone)
            )
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
                )
            )
    return tuple(rows)


def _median(values: list[float]) -> Estimate:
    return Estimate.of(estimators.interval(values))


SECTION = Section(
    name="control-plane",
    title="What the control plane adds",
    place=80,
    build=build,
    records={"control_planes": tuple[ControlPlaneRow, ...]},
)
