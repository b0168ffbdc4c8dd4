"""The catalogue of metrics: unit, better direction and title of each.

``docs/methods.md`` defines every one of them: both boundaries, how it is read, what it leaves out.
"""

from __future__ import annotations

from benchmarks.results.records import Direction, MetricInfo, Unit

BOUNDARIES = ("spawned", "ready", "kernel", "init", "main")
"""Start boundaries after ``requested``, in the order in which an instance passes them."""

STARTUP = "startup"
MEMORY = "memory"
CHECKSUM = "checksum"
IDLE = "idle"
DENSITY = "density"
PARALLEL = "parallel"
COLD = "cold"
SMALLEST = "smallest"
LEAKS = "leaks"
CONTROLS = "controls"
SWEEP = "sweep"
SURFACE = "surface"
CHANNELS = "channels"
INTERFERENCE = "interference"

PATH = "path"
"""Dimension of a workload whose server is in another place: ``host`` or ``peer``."""
BUILT_IN = (
    STARTUP, MEMORY, IDLE, DENSITY, PARALLEL, COLD, SMALLEST,
    LEAKS, CONTROLS, SWEEP, SURFACE, CHANNELS, INTERFERENCE,
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
    "helper_pss_bytes": "proportional set of what serves an instance beside it or its VMM",
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
    started = (*startup, STOP, *stop_parts)
    return (*started, *memory, processes, *_idle(), *_density(), *_parallel(), *_cold())


def accounts(workload: str, title: str) -> tuple[MetricInfo, ...]:
    """Return the accounts of CPU time that stand beside a workload's own metrics."""
    return _infos(
        workload,
        (
            "host_charged_s",
            Unit.SECONDS,
            Direction.LOWER,
            f"{title}: CPU time charged to the instance's control group while it ran",
        ),
        (
            "host_busy_s",
            Unit.SECONDS,
            Direction.LOWER,
            f"{title}: CPU time of all threads of the host while it ran",
        ),
    )


type _Row = tuple[str, Unit, Direction, str]


def _idle() -> tuple[MetricInfo, ...]:
    return _infos(
        IDLE,
        (
            "idle_cpu_s_per_s",
            Unit.SECONDS_PER_SECOND,
            Direction.LOWER,
            "host CPU of an idle instance, all threads of its processes",
        ),
        (
            "idle_charged_s_per_s",
            Unit.SECONDS_PER_SECOND,
            Direction.LOWER,
            "host CPU of an idle instance, as charged to its control group",
        ),
        (
            "idle_wakeups_per_s",
            Unit.PER_SECOND,
            Direction.LOWER,
            "wake-ups of an idle instance's threads on the host",
        ),
        ("idle_threads", Unit.COUNT, Direction.LOWER, "host threads of an idle instance"),
    )


def _density() -> tuple[MetricInfo, ...]:
    return _infos(
        DENSITY,
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
        (
            "density_merged_bytes",
            Unit.BYTES,
            Direction.NEITHER,
            "growth of what KSM has merged on the host while they stood",
        ),
        (
            "density_cached_bytes",
            Unit.BYTES,
            Direction.NEITHER,
            "growth of the host's page cache of files while they stood, shared by all",
        ),
    )


def _parallel() -> tuple[MetricInfo, ...]:
    return _infos(
        PARALLEL,
        (
            "parallel_main_s",
            Unit.SECONDS,
            Direction.LOWER,
            "many asked for at once → first instruction, median of them",
        ),
        (
            "parallel_last_s",
            Unit.SECONDS,
            Direction.LOWER,
            "many asked for at once → first instruction of the last",
        ),
        (
            "parallel_starts_per_s",
            Unit.PER_SECOND,
            Direction.HIGHER,
            "starts a second, up to the last one's first instruction",
        ),
    )


def _cold() -> tuple[MetricInfo, ...]:
    return _infos(
        COLD,
        *(
            (
                f"cold_{boundary}_s",
                Unit.SECONDS,
                Direction.LOWER,
                f"{_BOUNDARY_TITLES[boundary]}, the host's caches dropped before",
            )
            for boundary in BOUNDARIES
        ),
    )


def _infos(workload: str, *rows: _Row) -> tuple[MetricInfo, ...]:
    return tuple(
        MetricInfo(workload=workload, metric=metric, unit=unit, direction=direction, title=title)
        for metric, unit, direction, title in rows
    )
