"""Time of each step of a start, so that a regression can be traced to its step."""

import os
import time
from statistics import median

from runtime import Engine, Spec

#: Step of the plan to its group; steps that are not named are in the group "other steps".
GROUPS = {
    "NewSession": "clone",
    "LoopbackUp": "network",
    "AwaitMapping": "ids", "BecomeRoot": "ids", "SetUser": "ids",
    "OverlayRoot": "root", "BindRoot": "root", "PivotRoot": "root", "Chroot": "root",
    "ReadonlyMount": "root",
    "MountNew": "mounts", "BindMount": "mounts", "Devices": "mounts", "MakeDevice": "mounts",
    "ReadonlyPaths": "masks", "MaskPaths": "masks",
    "Await": "cgroup", "Unshare": "cgroup",
    "BoundCapabilities": "privileges", "SetCapabilities": "privileges",
    "NoNewPrivileges": "privileges",
}  # fmt: skip
_OTHER = "other steps"


def measure(engine: Engine, spec: Spec, rounds: int) -> dict[str, float]:
    """Return the median microseconds of each group, from the request to the first byte of output.

    "request" lasts until the process is there, "clone" until its own first step is done, "exec"
    from ready to the first byte: filter, exec, and the program's own beginning.
    """
    found: dict[str, list[float]] = {}
    engine.prepare(spec)
    for number in range(rounds + 1):
        groups = _one(engine, spec)
        if number:  # the first is warm-up
            for name, value in groups.items():
                found.setdefault(name, []).append(value)
        time.sleep(0.02)
    return {name: median(values) for name, values in found.items()}


def _one(engine: Engine, spec: Spec) -> dict[str, float]:
    reader, writer = os.pipe()
    try:
        with engine.run(spec, stdio=(writer, writer, writer), steps=True) as container:
            os.read(reader, 1)
            received = time.monotonic_ns()
            stamps, steps = container.stamps, container.steps
    finally:
        os.close(reader)
        os.close(writer)
    groups = {"request": (stamps["spawned"] - stamps["requested"]) / 1e3}
    # the process may be at work before its maker has looked at the clock
    last = min(stamps["spawned"], steps[0][1])
    for name, stamp in steps:
        group = GROUPS.get(name, _OTHER)
        groups[group] = groups.get(group, 0.0) + (stamp - last) / 1e3
        last = stamp
    groups["exec"] = (received - last) / 1e3
    groups["total"] = (received - stamps["requested"]) / 1e3
    return groups
