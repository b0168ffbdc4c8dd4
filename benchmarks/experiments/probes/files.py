"""Probes that read one file or directory and compare: information of the host in /proc and /sys.

The list follows ContainerLeaks (Gao et al., DSN 2017) and the masked paths of Docker and Podman.
"""

from __future__ import annotations

import re

from benchmarks.experiments.probes.model import KEPT, Kind, Probe, Verdict, Want
from benchmarks.experiments.probes.rules import readable

_VM = KEPT | {Verdict.SHARED_CONSTANT}
"""A guest has its own kernel: nothing but the constants of software may be equal."""

_ABOUT = (
    "Reads {path} on the host, in the sandbox and on the host again. Refused is denied, missing "
    "is absent, empty where the host has content is masked. A text that changes is the host's own "
    "if at least half of its changing numbers lie between the host's two readings. A text that "
    "does not change is the host's own if it is equal and an unrelated kernel (the VM's) reads "
    "something else. A VM should show its own kernel's, or only constants."
)


_IFPRIOMAP = "/sys/fs/cgroup/net_prio/net_prio.ifpriomap"


def _averages(text: str) -> str:
    """Keep the three averages of /proc/loadavg; the last pid is the reader's namespace's."""
    return " ".join(text.split()[:3])


def _processor(text: str) -> str:
    """Drop what differs between two readings on one CPU: the momentary frequency."""
    return re.sub(r"(?m)^cpu MHz.*\n?", "", text)


def _file(probe: str, title: str, path: str, kind: Kind, limit: int = 16384) -> Probe:
    return _probe(probe, title, kind, (path, "file", path, limit))


def _folder(probe: str, title: str, path: str, kind: Kind) -> Probe:
    return _probe(probe, title, kind, (path, "list", path))


def _probe(probe: str, title: str, kind: Kind, want: Want) -> Probe:
    return Probe(
        id=probe,
        title=title,
        kind=kind,
        wants=(want,),
        decide=readable,
        vm=_VM,
        about=_ABOUT.format(path=want[2]),
        view={"loadavg": _averages, "cpuinfo": _processor}.get(probe),
    )


PROBES: tuple[Probe, ...] = (
    _file("boot-id", "identifier of the boot", "/proc/sys/kernel/random/boot_id", Kind.IDENTITY),
    _file("uptime", "time since the boot", "/proc/uptime", Kind.IDENTITY),
    _file("partitions", "disks and partitions", "/proc/partitions", Kind.IDENTITY),
    _file("dmi", "maker and model by the firmware", "/sys/class/dmi/id/modalias", Kind.CONSTANT),
    _file("dmi-uuid", "firmware's identifier", "/sys/class/dmi/id/product_uuid", Kind.IDENTITY),
    _file("ifpriomap", "links by net_prio", _IFPRIOMAP, Kind.IDENTITY),
    _file("cmdline", "the kernel's command line", "/proc/cmdline", Kind.CONSTANT),
    _file("kernel", "release and build of the kernel", "/proc/version", Kind.CONSTANT),
    _file("cpuinfo", "model and features of the CPUs", "/proc/cpuinfo", Kind.CONSTANT),
    _file("config", "the kernel's configuration", "/proc/config.gz", Kind.CONSTANT, 512),
    _file("modules", "loaded modules", "/proc/modules", Kind.CONSTANT),
    _file("crypto", "ciphers of the kernel", "/proc/crypto", Kind.CONSTANT),
    _file("iomem", "map of physical memory", "/proc/iomem", Kind.CONSTANT),
    _file("kallsyms", "addresses of kernel functions", "/proc/kallsyms", Kind.CONSTANT, 4096),
    _file("meminfo", "memory in use", "/proc/meminfo", Kind.ACTIVITY),
    _file("stat", "CPU time, switches, forks", "/proc/stat", Kind.ACTIVITY),
    _file("loadavg", "load average", "/proc/loadavg", Kind.ACTIVITY),
    _file("vmstat", "paging counters", "/proc/vmstat", Kind.ACTIVITY),
    _file("zoneinfo", "memory zones", "/proc/zoneinfo", Kind.ACTIVITY),
    _file("pagetypeinfo", "free memory by mobility", "/proc/pagetypeinfo", Kind.ACTIVITY),
    _file("buddyinfo", "free memory by size", "/proc/buddyinfo", Kind.ACTIVITY),
    _file("slabinfo", "kernel objects in use", "/proc/slabinfo", Kind.ACTIVITY),
    _file("softirqs", "deferred interrupts", "/proc/softirqs", Kind.ACTIVITY),
    _file("schedstat", "scheduler statistics", "/proc/schedstat", Kind.ACTIVITY),
    _file("diskstats", "disk traffic", "/proc/diskstats", Kind.ACTIVITY),
    _file("pressure-cpu", "pressure on the CPUs", "/proc/pressure/cpu", Kind.ACTIVITY),
    _file("pressure-io", "pressure on the disks", "/proc/pressure/io", Kind.ACTIVITY),
    _file("pressure-memory", "pressure on memory", "/proc/pressure/memory", Kind.ACTIVITY),
    _file("entropy", "entropy at hand", "/proc/sys/kernel/random/entropy_avail", Kind.CONSTANT),
    _folder("ext4", "disks with ext4", "/proc/fs/ext4", Kind.IDENTITY),
    _file("cgroups", "number of control groups", "/proc/cgroups", Kind.ACTIVITY),
    _file("file-nr", "open files", "/proc/sys/fs/file-nr", Kind.ACTIVITY),
    _file("inode-nr", "inodes in use", "/proc/sys/fs/inode-nr", Kind.ACTIVITY),
    _file("dentry-state", "directory entries in use", "/proc/sys/fs/dentry-state", Kind.ACTIVITY),
    _file("key-users", "keys by user", "/proc/key-users", Kind.ACTIVITY),
    _folder("slab", "kernel caches", "/sys/kernel/slab", Kind.CONSTANT),
    _folder("block", "block devices", "/sys/class/block", Kind.IDENTITY),
    _folder("thermal", "temperature sensors", "/sys/class/thermal", Kind.CONSTANT),
    # What well-kept runtimes mask, and why: each gave host memory, keys, hardware or timing away.
    _file("kcore", "the kernel's memory", "/proc/kcore", Kind.OBJECTS, 16),
    _file("timer-list", "pending timers", "/proc/timer_list", Kind.ACTIVITY),
    _file("sched-debug", "every task's scheduling", "/proc/sched_debug", Kind.ACTIVITY),
    _file("interrupts", "interrupts by source", "/proc/interrupts", Kind.ACTIVITY),
    _file("latency-stats", "where the kernel waits", "/proc/latency_stats", Kind.ACTIVITY),
    _folder("acpi", "power management", "/proc/acpi", Kind.CONSTANT),
    _folder("asound", "sound cards", "/proc/asound", Kind.CONSTANT),
    _folder("scsi", "SCSI devices", "/proc/scsi", Kind.CONSTANT),
    _folder("firmware", "firmware tables", "/sys/firmware", Kind.CONSTANT),
    _folder("powercap", "energy counters", "/sys/devices/virtual/powercap", Kind.ACTIVITY),
    _file("kmsg", "the kernel's log", "/dev/kmsg", Kind.ACTIVITY, 2048),
)
