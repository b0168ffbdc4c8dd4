"""Steps for single entries of a specification: mounts, devices, scheduling."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import TYPE_CHECKING

from runtime import syscalls
from runtime.cgroups import layout
from runtime.plan.steps import Operation, mounts, process
from runtime.spec import id_mappings, mount_options, tables

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from runtime.spec import Linux, Mount, Process

CGROUP_KINDS = ("cgroup", "cgroup2")
_KINDS = {"c": stat.S_IFCHR, "u": stat.S_IFCHR, "b": stat.S_IFBLK, "p": stat.S_IFIFO}
#: Numbers of the devices that every container has (Documentation/admin-guide/devices.txt).
_DEFAULTS = {
    "null": (1, 3), "zero": (1, 5), "full": (1, 7), "random": (1, 8), "urandom": (1, 9),
    "tty": (5, 0),
}  # fmt: skip
_LINKS = {
    "fd": "/proc/self/fd", "stdin": "/proc/self/fd/0", "stdout": "/proc/self/fd/1",
    "stderr": "/proc/self/fd/2", "ptmx": "pts/ptmx",
}  # fmt: skip
_IO_CLASS_SHIFT = 13
_NO_CONTROLLERS = ("rw", "ro", "xattr", "noprefix", "clone_children", "release_agent", "nsdelegate")
#: Where the host's mounts are shared, what is mounted below a bind must not travel back.
_SLAVE = (syscalls.MS_SLAVE | syscalls.MS_REC,)


def steps(entry: Mount, linux: Linux) -> list[Operation]:
    """What one mount takes."""
    options = mount_options.parse(entry.options)
    if options.copy_symlink and Path(entry.source).is_symlink():
        return [mounts.MakeLink(entry.destination, str(Path(entry.source).readlink()))]
    if options.bind or entry.type == "bind":
        uids, gids = "", ""
        if options.idmap or entry.uid_mappings:
            # without mappings of its own, those of the container
            uids = id_mappings.lines(entry.uid_mappings or linux.uid_mappings)
            gids = id_mappings.lines(entry.gid_mappings or linux.gid_mappings)
        return [
            mounts.BindMount(
                entry.source,
                entry.destination,
                options.attr_set,
                options.recursive,
                cleared=options.attr_clr,
                all_attributes=options.recursive_attr_set,
                all_cleared=options.recursive_attr_clr,
                propagation=options.propagation or _SLAVE,
                uid_map=uids,
                gid_map=gids,
            )
        ]
    data = (*options.data, *((name, "") for name in options.superblock))
    # nothing is mounted below a fresh one, so what holds there as well is its own affair
    attributes = options.attr_set | options.recursive_attr_set
    made = mounts.MountNew(
        entry.destination, entry.type, data, attributes, options.copy_up, entry.source
    )
    travels = [flags for flags in options.propagation if not flags & syscalls.MS_PRIVATE]
    return [made, *(mounts.SetPropagation(entry.destination, flags) for flags in travels)]


def cgroup_steps(
    entry: Mount, *, private: bool, groups: Mapping[str, str] | None
) -> list[Operation]:
    """A mount of the control groups.

    Args:
        entry: of type cgroup or cgroup2.
        private: they are seen from a cgroup namespace of the container's own, so that fresh
            mounts begin at its group; else its groups are bound.
        groups: controller to the container's group.
    """
    options = mount_options.parse(entry.options)
    attributes = options.attr_set
    if not private:
        return _bound_groups(entry.destination, attributes, groups or {})
    if layout.current().v2 or entry.type == "cgroup2":
        return [mounts.MountNew(entry.destination, "cgroup2", (), attributes)]
    writable = attributes & ~syscalls.MOUNT_ATTR_RDONLY
    found: list[Operation] = [_shelf(entry.destination, writable)]
    for name, flags in _hierarchies().items():
        found.append(mounts.MountNew(f"{entry.destination}/{name}", "cgroup", flags, attributes))
    return _sealed(found, entry.destination, attributes)


def _hierarchies() -> dict[str, tuple[tuple[str, str], ...]]:
    """The hierarchies of cgroup v1 here: name of the mount point to the options that name them."""
    found = {}
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        fields, _, tail = line.partition(" - ")
        kind, _, options = tail.split(" ", 2)
        if kind != "cgroup":
            continue
        words = [word for word in options.split(",") if word not in _NO_CONTROLLERS]
        flags = [(name, value) for name, _, value in (word.partition("=") for word in words)]
        if all(value for _, value in flags):
            flags.insert(0, ("none", ""))  # a hierarchy that has but a name
        found[fields.split(" ")[4].rpartition("/")[2]] = tuple(flags)
    return found


def _bound_groups(destination: str, attributes: int, groups: Mapping[str, str]) -> list[Operation]:
    if "unified" in groups:
        path = groups["unified"]
        return [mounts.BindMount(path, destination, attributes, False, propagation=_SLAVE)]  # noqa: FBT003  # a named tuple's field
    found: list[Operation] = [_shelf(destination, attributes & ~syscalls.MOUNT_ATTR_RDONLY)]
    found += [
        mounts.BindMount(path, f"{destination}/{name}", attributes, False, propagation=_SLAVE)  # noqa: FBT003  # likewise
        for name, path in groups.items()
    ]
    return _sealed(found, destination, attributes)


def _shelf(destination: str, attributes: int) -> Operation:
    """What the hierarchies of v1 are mounted below."""
    return mounts.MountNew(destination, "tmpfs", (("mode", "755"),), attributes)


def _sealed(found: list[Operation], destination: str, attributes: int) -> list[Operation]:
    if attributes & syscalls.MOUNT_ATTR_RDONLY:
        found.append(mounts.ReadonlyMount(destination))
    return found


def devices(spec_mounts: Sequence[Mount], linux: Linux) -> list[Operation]:
    """Devices of a container, once its mounts are made.

    Those that every container has stand in a fresh /dev already, where it has one; a /dev of the
    host's has its own.
    """
    over = {entry.destination: entry for entry in spec_mounts}.get("/dev")
    if over is not None and mount_options.parse(over.options).bind:
        return []
    found: list[Operation] = []
    if over is None and linux.devices:
        for name in linux.devices:
            mode = stat.S_IFCHR | 0o666
            found.append(mounts.MakeDevice(f"/dev/{name}", mode, *_DEFAULTS[name], 0, 0))
        found += [mounts.MakeLink(f"/dev/{name}", value) for name, value in _LINKS.items()]
    for node in linux.device_nodes:
        mode = _KINDS[node.type] | node.file_mode
        found.append(mounts.MakeDevice(node.path, mode, node.major, node.minor, node.uid, node.gid))
    return found


def scheduling(workload: Process, *, inherited: bool | None = None) -> list[Operation]:
    """CPU and I/O scheduling of the workload.

    Args:
        workload: likewise.
        inherited: only what a child has of its parent (True), only what it has not (False).
    """
    found: list[Operation] = []
    if workload.io_priority is not None and inherited is not False:
        level = workload.io_priority
        value = tables.IO_CLASSES[level.io_class] << _IO_CLASS_SHIFT | level.priority
        found.append(process.SetIoPriority(value))
    wanted = workload.scheduler
    passed_on = wanted is not None and not wanted.flags and wanted.policy != "SCHED_DEADLINE"
    if wanted is not None and inherited in (None, passed_on):
        flags = sum(tables.SCHEDULER_FLAGS[name] for name in wanted.flags)
        times = (wanted.runtime_ns, wanted.deadline_ns, wanted.period_ns)
        policy = tables.SCHEDULER_POLICIES[wanted.policy]
        found.append(process.SetScheduler(policy, flags, wanted.nice, wanted.priority, *times))
    return found


def affinity(workload: Process) -> list[Operation]:
    """CPUs for a process that enters a container later (`execCPUAffinity`)."""
    wanted = workload.exec_cpu_affinity
    if wanted is None or not (wanted.final or wanted.initial):
        return []
    found: list[int] = []
    for part in (wanted.final or wanted.initial or "").split(","):
        first, _, last = part.strip().partition("-")
        found += range(int(first), int(last or first) + 1)
    return [process.SetAffinity(tuple(found))]
