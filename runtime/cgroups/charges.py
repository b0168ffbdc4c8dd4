"""A record of what a control group was charged: memory, CPU time, tasks, disks, pressure.

`runtime.cgroups.accounting` reads them. Source of the names:
Documentation/admin-guide/cgroup-v2.rst and Documentation/accounting/psi.rst.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class CgroupMemory:
    """Memory charged to a control group, in bytes; None where this kernel does not tell.

    Attributes:
        usage_bytes: now; likewise all but the next.
        peak_bytes: the most at once.
        limit_bytes: what it may have; None for any amount.
        swap_bytes: in swap space, not part of the usage.
        anon_bytes: of processes, not backed by a file.
        file_bytes: page cache, with tmpfs and shared memory.
        kernel_bytes: of the kernel, for this group; the next three are parts of it.
        kernel_stack_bytes: kernel stacks of its tasks.
        slab_bytes: kernel objects, such as inodes.
        page_tables_bytes: page tables.
        sock_bytes: network buffers.
        oom_kills: processes of it that the OOM killer has killed.
    """

    usage_bytes: int | None
    peak_bytes: int | None
    anon_bytes: int | None
    file_bytes: int | None
    kernel_bytes: int | None
    limit_bytes: int | None = None
    swap_bytes: int | None = None
    kernel_stack_bytes: int | None = None
    slab_bytes: int | None = None
    page_tables_bytes: int | None = None
    sock_bytes: int | None = None
    oom_kills: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CgroupCpu:
    """CPU time charged to a group, in seconds; None where this kernel does not tell.

    Attributes:
        usage_s: in all.
        user_s, system_s: parts of it.
        periods: periods of its quota in which it ran.
        throttled_periods: those of them at whose end the quota was used up.
        throttled_s: how long its CPUs have stood still for that, added up.
    """

    usage_s: float | None = None
    user_s: float | None = None
    system_s: float | None = None
    periods: int | None = None
    throttled_periods: int | None = None
    throttled_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CgroupPids:
    """Tasks (processes and threads) in a group, and how many there may be; None for any number."""

    current: int | None
    limit: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CgroupDisk:
    """Bytes and operations that went to and from one block device for a group."""

    major: int
    minor: int
    read_bytes: int
    write_bytes: int
    read_ops: int
    write_ops: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Stall:
    """Time in which tasks waited for something: of the last 10, 60 and 300 s in percent, and all.

    Attributes:
        total_s: seconds since the group was made.
    """

    avg10_percent: float
    avg60_percent: float
    avg300_percent: float
    total_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Pressure:
    """Time in which some tasks of a group waited, and in which all of them did (psi.rst)."""

    some: Stall
    full: Stall | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CgroupPressure:
    """What tasks of a group waited for; None where the kernel does not tell, as on v1."""

    cpu: Pressure | None = None
    memory: Pressure | None = None
    io: Pressure | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CgroupStatistics:
    """All that a group was charged; None for what no controller of it counts."""

    memory: CgroupMemory | None = None
    cpu: CgroupCpu | None = None
    pids: CgroupPids | None = None
    disks: tuple[CgroupDisk, ...] | None = None
    pressure: CgroupPressure = CgroupPressure()
