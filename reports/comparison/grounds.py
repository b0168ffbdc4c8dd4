"""Say whether two runs may be compared at all, and what else differs between them."""

from typing import Any

from benchmarks.host import host_class
from benchmarks.results.records import RunInfo, Status, Unit, same_image
from benchmarks.results.runfolder import Run
from reports.renderers import units

FREE = frozenset(
    {
        "name",
        "sandboxes",
        "workloads",
        "blocks_min",
        "blocks_max",
        "budget_s",
        "precision",
        "seed",
        "reproduces",
        "cpus",
        "cpuset",
        "memory_mib",
    }
)
"""Keys of a campaign that two runs may differ in, or that are compared as what came of them."""


def refusal(base: RunInfo, new: RunInfo, *, images_equivalent: bool) -> str | None:
    """Say why two runs cannot be compared; None where they can.

    Args:
        base: The run to measure against.
        new: The run to judge.
        images_equivalent: Whether who asks states that the images stand for each other.
    """
    if found := host_class.differences(base.host, new.host).forbidding:
        return f"the runs come from hosts of different classes: {'; '.join(found)}"
    return (
        _of_resources(base, new)
        or _of_campaigns(base, new)
        or _of_accelerators(base, new)
        or _of_images(base, new, stated=images_equivalent)
    )


def _of_resources(base: RunInfo, new: RunInfo) -> str | None:
    left, right = base.resources, new.resources
    if (left.cpus, left.memory_bytes) != (right.cpus, right.memory_bytes):
        return (
            f"the sandboxes had different resources: {left.cpus} CPUs and "
            f"{units.quantity(left.memory_bytes, Unit.BYTES)} against {right.cpus} CPUs and "
            f"{units.quantity(right.memory_bytes, Unit.BYTES)}"
        )
    if left.cpuset != right.cpuset:
        one, two = (", ".join(map(str, each.cpuset)) for each in (left, right))
        return f"the sandboxes ran on different CPUs: {one} against {two}; give both one cpuset"
    return None


def _of_campaigns(base: RunInfo, new: RunInfo) -> str | None:
    """Compare what was measured: a start that follows other work is another measurement."""
    one, two = base.campaign, new.campaign
    for key, asked in (("sandboxes", _sandboxes), ("workloads", _workloads)):
        left, right = asked(base), asked(new)
        if left and right and left != right:
            return (
                f"the runs measured different {key}: {', '.join(sorted(left))} against "
                f"{', '.join(sorted(right))}; compare two runs of one campaign"
            )
    for key in sorted((one.keys() & two.keys()) - FREE):
        if _plain(one[key]) != _plain(two[key]):
            return f"the campaigns differ in {key}: {one[key]} against {two[key]}"
    both = base.definitions.keys() & new.definitions.keys()
    changed = [name for name in sorted(both) if base.definitions[name] != new.definitions[name]]
    if changed:
        return f"the runs had different definitions of {', '.join(changed)}"
    return None


def _of_accelerators(base: RunInfo, new: RunInfo) -> str | None:
    boxes = {box.name: box.accelerator for box in base.sandboxes}
    changed = [
        box.name for box in new.sandboxes if boxes.get(box.name, box.accelerator) != box.accelerator
    ]
    return f"{', '.join(changed)} ran with another accelerator" if changed else None


def _of_images(base: RunInfo, new: RunInfo, *, stated: bool) -> str | None:
    if stated or same_image(base.image, new.image):
        return None
    return (
        "the runs used different images, and a change may come from them; measure both with one "
        "--image, or state by --images-equivalent that they stand for each other"
    )


def _sandboxes(info: RunInfo) -> set[str]:
    return {box.name for box in info.sandboxes} | set(info.absent)


def _workloads(info: RunInfo) -> set[str]:
    return set(info.campaign.get("workloads", ()))


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def lost(base: Run, new: Run) -> tuple[tuple[str, str], ...]:
    """Return what was measured before and was asked for in vain this time."""
    before, after = (
        {(one.sandbox, one.workload) for one in run.samples if one.status is Status.OK}
        for run in (base, new)
    )
    workloads = {info.workload for info in new.info.metrics}
    return tuple(
        sorted(
            (sandbox, workload)
            for sandbox, workload in before - after
            if sandbox in _sandboxes(new.info) and workload in workloads
        )
    )


def notes(base: RunInfo, new: RunInfo) -> list[str]:
    """Say what else differs, a sentence each."""
    found = [f"{said}." for said in host_class.differences(base.host, new.host).drifted]
    if not same_image(base.image, new.image):
        found.append("The runs used different images, which are stated to be equivalent.")
    if base.tare_version != new.tare_version:
        found.append(f"Measured by tare {base.tare_version} and by tare {new.tare_version}.")
    tools = base.tools.keys() & new.tools.keys()
    found += [
        f"{tool}: {base.tools[tool]} against {new.tools[tool]}."
        for tool in sorted(tools)
        if None not in {base.tools[tool], new.tools[tool]} and base.tools[tool] != new.tools[tool]
    ]
    return [said[:1].upper() + said[1:] for said in found]
