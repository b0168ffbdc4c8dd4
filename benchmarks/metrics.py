"""The catalogue of metrics: unit, better direction and title of each.

``docs/methods.md`` defines every one of them: both boundaries, how it is read, what it leaves out.
"""

from __future__ import annotations

from benchmarks.records import Direction, MetricInfo, Unit

BOUNDARIES = ("spawned", "ready", "kernel", "init", "main")
"""Start boundaries after ``requested``, in the order in which an instance passes them."""

STARTUP = "startup"
MEMORY = "memory"
CHECKSUM = "checksum"
DENSITY = "density"
LEAKS = "leaks"
CONTROLS = "controls"
SWEEP = "sweep"
SURFACE = "surface"
CHANNELS = "channels"
INTERFERENCE = "interference"
BUILT_IN = (
    STARTUP, MEMORY, DENSITY, LEAKS, CONTROLS, SWEEP, SURFACE, CHANNELS, INTERFERENCE,
)  # fmt: skip
"""Workloads that are measured by the harness itself and have no TOML file."""

_BOUNDARY_TITLES = {
    "spawned": "requested → first process exists",
    "ready": "requested → namespaces made, or VMM ready",
    "kernel": "requested → guest kernel running",
    "init": "requested → init running",
    "main": "requested → first instruction of the workload",
}

_STOP_TITLES = {
    "stop_guest_s": "stop asked → the guest has powered off",
    "stop_host_s": "the guest has powered off → nothing of the instance left running",
}

_MEMORY_TITLES = {
    "vss_bytes": "address space of all host processes of the instance",
    "rss_bytes": "resident set of all host processes of the instance",
    "pss_bytes": "proportional set of all host processes of the instance",
    "uss_bytes": "unique set of all host processes of the instance",
    "mapped_bytes": "writable mappings of all host processes of the instance (virtual memory)",
    "cgroup_bytes": "charged to the instance's memory cgroup",
    "cgroup_kernel_bytes": "memory of the host's kernel, a part of what the cgroup is charged",
    "memavailable_delta_bytes": "fall of the host's MemAvailable while the instance runs",
    "guest_ram_bytes": "guest RAM that is resident on the host",
    "vmm_bytes": "resident set of the VMM beyond guest RAM",
    "translation_bytes": "translated code of an emulated guest, a part of the VMM beyond guest RAM",
    "page_tables_bytes": "page tables that the host's kernel keeps for the VMM",
    "helper_pss_bytes": "proportional set of the processes that serve a VM beside the VMM",
    "guest_used_bytes": "memory the guest itself has in use (MemTotal - MemAvailable)",
}


STOP = MetricInfo(
    workload=STARTUP,
    metric="stop_s",
    unit=Unit.SECONDS,
    direction=Direction.LOWER,
    title="stop asked → nothing of the instance left running",
)


def catalogue() -> tuple[MetricInfo, ...]:
    """Return every metric that does not come from a workload file, in reporting order."""
    startup = [
        MetricInfo(
            workload=STARTUP,
            metric=f"startup_{boundary}_s",
            unit=Unit.SECONDS,
            direction=Direction.LOWER,
            title=_BOUNDARY_TITLES[boundary],
        )
        for boundary in BOUNDARIES
    ]
    stop_parts = [
        MetricInfo(
            workload=STARTUP,
            metric=metric,
            unit=Unit.SECONDS,
            direction=Direction.LOWER,
            title=title,
        )
        for metric, title in _STOP_TITLES.items()
    ]
    memory = [
        MetricInfo(
            workload=MEMORY,
            metric=metric,
            unit=Unit.BYTES,
            direction=Direction.LOWER,
            title=title,
        )
        for metric, title in _MEMORY_TITLES.items()
    ]
    processes = MetricInfo(
        workload=MEMORY,
        metric="processes",
        unit=Unit.COUNT,
        direction=Direction.LOWER,
        title="host processes that serve the idle instance",
    )
    return (*startup, STOP, *stop_parts, *memory, processes, *_density())


def _density() -> tuple[MetricInfo, ...]:
    return tuple(
        MetricInfo(workload=DENSITY, metric=metric, unit=unit, direction=direction, title=title)
        for metric, unit, direction, title in (
            (
                "density_slope_bytes",
                Unit.BYTES,
                Direction.LOWER,
                "host memory that each further idle instance takes",
            ),
            (
                "density_intercept_bytes",
                Unit.BYTES,
                Direction.LOWER,
                "host memory that idle instances take once for all",
            ),
            (
                "density_count",
                Unit.COUNT,
                Direction.HIGHER,
                "idle instances that stood at once, up to the campaign's ceiling",
            ),
        )
    )
