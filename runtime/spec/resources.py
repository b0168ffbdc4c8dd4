"""Limits and weights of a control group: `linux.resources` of the OCI runtime-spec.

Flat where OCI nests, with the unit in each name. None always means "as the parent has it", and -1
in a limit "any amount".
Source: opencontainers/runtime-spec, config-linux.md, "Control groups".
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True, kw_only=True)
class IoLimit:
    """Weight and throttles of one block device (`blockIO.weightDevice`, `throttle*Device`)."""

    major: int
    minor: int
    weight: int | None = None
    read_bytes_per_s: int | None = None
    write_bytes_per_s: int | None = None
    read_ops_per_s: int | None = None
    write_ops_per_s: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceRule:
    """One entry of the device list: later entries win.

    Attributes:
        type: "a" for all, "b" for block, "c" for character devices.
        major: None for every major number; likewise `minor`.
        access: some of "r", "w" and "m" (mknod).
    """

    allow: bool
    type: str = "a"
    major: int | None = None
    minor: int | None = None
    access: str = "rwm"


@dataclass(frozen=True, slots=True, kw_only=True)
class HugepageLimit:
    """Most memory in huge pages of one size, which is named as the kernel does, e.g. "2MB"."""

    page_size: str
    limit_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Resources:
    """Limits and weights of a container's group.

    Attributes:
        memory_limit_bytes: most memory.
        memory_swap_bytes: most swap space beside it, 0 for none. OCI's `memory.swap` is the sum
            of both.
        memory_high_bytes: above it the group is throttled and reclaimed (cgroup v2).
        memory_reservation_bytes: what is protected from reclaim as well as can be (`memory.low`).
        memory_tcp_bytes: most memory of TCP buffers (cgroup v1, likewise the next two).
        memory_swappiness: 0 to 100, how willingly anonymous memory is swapped out.
        memory_oom_kill: kill where there is no memory left; else whoever wants some waits.
        cpus: CPU time per wall-clock time, e.g. 1.5; or `cpu_quota_us` in each `cpu_period_us`.
        cpu_burst_us: quota that may be saved up.
        cpu_idle: run only where nobody else wants to (SCHED_IDLE for the group).
        cpuset: list of CPUs as in cpuset(7), e.g. "0-1"; likewise `cpuset_mems` of memory nodes.
        cpu_weight: cgroup v2 scale, 1 to 10000, default 100.
        cpu_shares: the same on the scale of cgroup v1, 2 to 262144, where it was given on that:
            many shares have one weight, so v1 takes these in preference. Never without a weight.
        pids_limit: most tasks at once.
        io_weight: cgroup v2 scale, 1 to 10000, default 100.
        devices: the device list; empty leaves devices alone.
        unified: cgroup v2 file to the text written there, after everything else.
    """

    memory_limit_bytes: int | None = None
    memory_swap_bytes: int | None = None
    memory_high_bytes: int | None = None
    memory_reservation_bytes: int | None = None
    memory_tcp_bytes: int | None = None
    memory_swappiness: int | None = None
    memory_oom_kill: bool | None = None
    cpus: float | None = None
    cpu_quota_us: int | None = None
    cpu_period_us: int | None = None
    cpu_burst_us: int | None = None
    cpu_idle: bool | None = None
    cpuset: str | None = None
    cpuset_mems: str | None = None
    cpu_weight: int | None = None
    cpu_shares: int | None = None
    pids_limit: int | None = None
    io_weight: int | None = None
    io_limits: tuple[IoLimit, ...] = ()
    hugepage_limits: tuple[HugepageLimit, ...] = ()
    devices: tuple[DeviceRule, ...] = ()
    unified: Mapping[str, str] = field(default_factory=dict)
