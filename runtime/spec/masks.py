"""Paths of /proc and /sys that a container does not see, or may not write to.

A kernel without one of them pays nothing for it; otherwise it costs a mount. Where a folder has a
mask it needs no read-only bind. A star stands for any text between two slashes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

DOCKER = (
    *(
        f"/proc/{name}"
        for name in (
            "acpi", "asound", "interrupts", "kcore", "keys", "latency_stats", "sched_debug",
            "scsi", "timer_list", "timer_stats",
        )
    ),
    "/sys/firmware",
    "/sys/devices/virtual/powercap",
    "/sys/fs/selinux",
    "/sys/devices/system/cpu/cpu*/thermal_throttle",
)  # fmt: skip
"""What Docker and Podman hide (moby/oci/defaults.go, containers/common)."""

DOCKER_READONLY = tuple(f"/proc/{name}" for name in ("bus", "fs", "irq", "sys", "sysrq-trigger"))

DEFAULT = (
    *DOCKER,
    # They follow the host from one moment to the next, so that two containers can talk by them:
    # /proc/locks carries thousands of bits a second. Triggers of /proc/pressure can be written to.
    "/proc/locks",
    "/proc/pressure",
    "/proc/buddyinfo",
    "/proc/schedstat",
    "/proc/softirqs",
    "/proc/zoneinfo",
    "/proc/sys/fs/dentry-state",
    "/proc/sys/fs/file-nr",
    "/proc/sys/fs/inode-nr",
    "/proc/sys/fs/inode-state",
    "/sys/devices/virtual/bdi",
    "/sys/devices/virtual/thermal",
    "/sys/kernel/mm/ksm",
    # How busy the host's file systems are.
    "/proc/fs",
    "/sys/fs/btrfs",
    "/sys/fs/ext4",
    "/sys/fs/xfs",
    # The host's interrupts by another way than /proc/interrupts.
    "/proc/irq",
    "/sys/kernel/irq",
    # Hardware that no container is given.
    "/proc/bus",
    "/sys/devices/LNXSYSTM:*",
    "/sys/devices/pnp*",
    "/sys/devices/virtual/workqueue",
)
"""What Docker hides, and what no ordinary program of a container reads.

In sight stay meminfo, stat, vmstat, diskstats, cpuinfo, uptime, loadavg, cgroups, filesystems,
cmdline, disks with their queues, the topology of CPUs and memory, and huge pages: procps, JVMs,
databases and libnuma read them.
"""

READONLY = ("/proc/sys", "/proc/sysrq-trigger")

HARDENED = (
    *DEFAULT,
    "/proc/cmdline",
    "/proc/consoles",
    "/proc/crypto",
    "/proc/diskstats",
    "/proc/misc",
    "/proc/modules",
    "/proc/partitions",
    "/proc/vmstat",
    "/proc/sys/kernel/pty",
    "/sys/devices/pci*",
    "/sys/devices/platform",
    "/sys/devices/system/cpu/cpu*/cpuidle",
    "/sys/devices/system/node/node*/numastat",
    "/sys/devices/system/node/node*/vmstat",
    "/sys/devices/virtual/block",
    "/sys/kernel/boot_params",
    "/sys/kernel/btf",
    "/sys/kernel/mm/transparent_hugepage/hugepages-*/stats",
    "/sys/kernel/notes",
    "/sys/kernel/uevent_seqnum",
    "/sys/kernel/vmcoreinfo",
    "/sys/module",
)
"""And what tells hosts apart, or how their disks and memory fare, though some program may read it:
vmstat(8), iostat(1), lsblk(8), lsmod(8) and whatever looks for devices find nothing."""


def expand(paths: Iterable[str]) -> list[str]:
    """Resolve stars against this host, whose kernel the container shares: OCI has none."""
    found: list[str] = []
    for path in paths:
        if "*" in path:
            import glob  # seldom: no bundle has stars

            found += sorted(glob.glob(path))  # noqa: PTH207  # absolute
        else:
            found.append(path)
    return found
