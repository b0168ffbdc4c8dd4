"""Steps for single entries of a specification: mounts, devices, scheduling."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING

from runtime import syscalls
from runtime.operations import Operation, mounts, process

if TYPE_CHECKING:
    from runtime.spec import Device, Mount, Process

CGROUP_KINDS = ("cgroup", "cgroup2")
_ATTRIBUTES = {
    "ro": syscalls.MOUNT_ATTR_RDONLY,
    "nosuid": syscalls.MOUNT_ATTR_NOSUID,
    "nodev": syscalls.MOUNT_ATTR_NODEV,
    "noexec": syscalls.MOUNT_ATTR_NOEXEC,
    "strictatime": syscalls.MOUNT_ATTR_STRICTATIME,
}
_IGNORED = ("rw", "bind", "rbind", "private", "rprivate", "relatime", "dev", "suid", "exec")
_TYPES = {"c": stat.S_IFCHR, "u": stat.S_IFCHR, "b": stat.S_IFBLK, "p": stat.S_IFIFO}
_POLICIES = (
    "SCHED_OTHER", "SCHED_FIFO", "SCHED_RR", "SCHED_BATCH", "SCHED_ISO", "SCHED_IDLE",
    "SCHED_DEADLINE",
)  # fmt: skip
_SCHED_FLAGS = {
    "SCHED_FLAG_RESET_ON_FORK": 1,
    "SCHED_FLAG_RECLAIM": 2,
    "SCHED_FLAG_DL_OVERRUN": 4,
    "SCHED_FLAG_KEEP_POLICY": 8,
    "SCHED_FLAG_KEEP_PARAMS": 16,
    "SCHED_FLAG_UTIL_CLAMP_MIN": 32,
    "SCHED_FLAG_UTIL_CLAMP_MAX": 64,
}
_IO_CLASSES = ("IOPRIO_CLASS_NONE", "IOPRIO_CLASS_RT", "IOPRIO_CLASS_BE", "IOPRIO_CLASS_IDLE")
_IO_CLASS_SHIFT = 13


def steps(entry: Mount) -> list[Operation]:
    """What one mount takes."""
    attributes = 0
    options: list[tuple[str, str]] = []
    for option in entry.options:
        if option in _ATTRIBUTES:
            attributes |= _ATTRIBUTES[option]
        elif option not in _IGNORED:
            name, _, value = option.partition("=")
            options.append((name, value))
    if entry.type == "bind":
        recursive = "rbind" in entry.options
        # where the host's mounts are shared, what is mounted below it here must not travel back
        return [
            mounts.BindMount(
                entry.source,
                entry.destination,
                attributes,
                recursive,
                propagation=syscalls.MS_SLAVE,
            )
        ]
    return [mounts.MountNew(entry.destination, entry.type, tuple(options), attributes)]


def cgroup_steps(entry: Mount, *, private: bool) -> list[Operation]:
    """A mount of the control groups, in a cgroup namespace of the container's own (`private`)."""
    del private
    return steps(entry)


def device(entry: Device) -> Operation:
    """One device node."""
    mode = _TYPES[entry.type] | entry.file_mode
    return mounts.MakeDevice(entry.path, mode, entry.major, entry.minor, entry.uid, entry.gid)


def scheduling(workload: Process) -> list[Operation]:
    """CPU and I/O scheduling of the workload."""
    found: list[Operation] = []
    if workload.io_priority is not None:
        level = workload.io_priority
        value = _IO_CLASSES.index(level.io_class) << _IO_CLASS_SHIFT | level.priority
        found.append(process.SetIoPriority(value))
    if workload.scheduler is not None:
        wanted = workload.scheduler
        flags = sum(_SCHED_FLAGS[name] for name in wanted.flags)
        times = (wanted.runtime_ns, wanted.deadline_ns, wanted.period_ns)
        policy = _POLICIES.index(wanted.policy)
        found.append(process.SetScheduler(policy, flags, wanted.nice, wanted.priority, *times))
    return found
