"""From a specification to the list of steps that makes it: the whole order stands here."""

from __future__ import annotations

import glob
import resource
from typing import TYPE_CHECKING

from runtime import capabilities, syscalls
from runtime.operations import Operation, identity, mounts, process, sync

if TYPE_CHECKING:
    from runtime.spec import Mount, Process, Spec

FLAGS = {
    "pid": syscalls.CLONE_NEWPID,
    "uts": syscalls.CLONE_NEWUTS,
    "mount": syscalls.CLONE_NEWNS,
    "ipc": syscalls.CLONE_NEWIPC,
    "network": syscalls.CLONE_NEWNET,
    "user": syscalls.CLONE_NEWUSER,
    "cgroup": syscalls.CLONE_NEWCGROUP,
    "time": syscalls.CLONE_NEWTIME,
}
_NOFILE = resource.getrlimit(resource.RLIMIT_NOFILE)
#: Made by the container itself, after what they capture is in place.
_LATE = ("cgroup", "time")

_CGROUP_KINDS = ("cgroup", "cgroup2")

_ATTRIBUTES = {
    "ro": syscalls.MOUNT_ATTR_RDONLY,
    "nosuid": syscalls.MOUNT_ATTR_NOSUID,
    "nodev": syscalls.MOUNT_ATTR_NODEV,
    "noexec": syscalls.MOUNT_ATTR_NOEXEC,
    "strictatime": syscalls.MOUNT_ATTR_STRICTATIME,
}
_IGNORED = ("rw", "bind", "rbind", "private", "rprivate", "relatime", "dev", "suid", "exec")


def clone_flags(spec: Spec) -> int:
    """Namespaces that clone3 makes at once."""
    flags = 0
    for entry in spec.linux.namespaces:
        if entry.path is None and entry.type not in _LATE:
            flags |= FLAGS[entry.type]
    return flags


def join_flags(spec: Spec) -> int:
    """Namespaces that a further process of the container has to enter."""
    flags = 0
    for entry in spec.linux.namespaces:
        flags |= FLAGS[entry.type]
    return flags


def create(spec: Spec) -> list[Operation]:
    """Every step from clone to exec, in order.

    Steps that need nothing of the spawner come first, so that it writes the id mappings on the
    other processor meanwhile; the wait for the cgroup comes as late as it can.
    """
    linux = spec.linux
    steps = _identity(spec)
    if linux.namespace("mount"):
        steps += _root(spec)
    else:
        steps.append(mounts.Chroot(""))
    if linux.cgroup:
        steps.append(sync.Await(b"g"))
    if linux.namespace("cgroup"):
        steps.append(sync.Unshare("cgroup", FLAGS["cgroup"]))
        # shows the group the namespace was made in, so it can only be mounted now
        steps += [_mount(entry) for entry in spec.mounts if entry.type in _CGROUP_KINDS]
    if linux.namespace("time"):
        steps.append(sync.Unshare("time", FLAGS["time"]))
        steps += [sync.OffsetClock(*entry) for entry in linux.time_offsets_ns.items()]
    return steps + _last(spec, spec.process, enter=False)


def execute(spec: Spec, workload: Process) -> list[Operation]:
    """The steps of a further process in a running container."""
    steps: list[Operation] = [process.NewSession()]
    if spec.linux.namespace("user"):
        steps.append(identity.BecomeRoot())
    if not spec.linux.namespace("mount"):
        steps.append(mounts.Chroot(""))
    return steps + _last(spec, workload, enter=True)


def _identity(spec: Spec) -> list[Operation]:
    linux = spec.linux
    steps: list[Operation] = [process.NewSession()]
    steps += [
        sync.Join(entry.type, str(entry.path), FLAGS[entry.type])
        for entry in linux.namespaces
        if entry.path is not None
    ]
    network = linux.namespace("network")
    if network and network.path is None:
        steps.append(identity.LoopbackUp())
    if not spec.native:
        steps.append(identity.NewKeyring())
    if spec.hostname is not None:
        steps.append(identity.SetHostname(spec.hostname))
    if linux.namespace("user"):
        steps += [sync.Await(b"m"), identity.BecomeRoot()]
    return steps


def _root(spec: Spec) -> list[Operation]:
    linux = spec.linux
    steps: list[Operation] = []
    if spec.root.upper == "tmpfs":
        steps.append(mounts.OverlayRoot(spec.root.upper_size_bytes or 0))
    else:
        steps.append(mounts.BindRoot())
    for entry in spec.mounts:
        if entry.type in _CGROUP_KINDS:
            continue
        steps.append(_mount(entry))
        if entry.destination == "/dev" and linux.devices:
            steps.append(mounts.Devices(linux.devices))
    steps.append(mounts.PivotRoot())
    if linux.readonly_paths:
        steps.append(mounts.ReadonlyPaths(linux.readonly_paths))
    if linux.masked_paths:
        steps.append(mounts.MaskPaths(_expand(linux.masked_paths)))
    if spec.root.readonly:
        steps.append(mounts.ReadonlyRoot())
    return steps


def _mount(entry: Mount) -> Operation:
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
        return mounts.BindMount(entry.source, entry.destination, attributes, recursive)
    return mounts.MountNew(entry.destination, entry.type, tuple(options), attributes)


def _last(spec: Spec, workload: Process, *, enter: bool) -> list[Operation]:
    steps: list[Operation] = []
    if not any(limit.type == "RLIMIT_NOFILE" for limit in workload.rlimits):
        # the spawner raised its own; the workload gets what the harness was started with
        steps.append(process.SetRlimit(resource.RLIMIT_NOFILE, *_NOFILE))
    for limit in workload.rlimits:
        number = getattr(resource, limit.type)
        steps.append(process.SetRlimit(number, limit.soft, limit.hard))
    if workload.no_new_privileges:
        steps.append(process.NoNewPrivileges())
    # Without no_new_privs a filter needs CAP_SYS_ADMIN, so it has to come before the drop.
    early_filter = spec.linux.seccomp and not workload.no_new_privileges
    if early_filter:
        steps.append(process.Filter(str(spec.linux.seccomp)))
    keep = None
    if workload.capabilities is not None:
        keep = capabilities.mask(workload.capabilities)
        steps.append(process.BoundCapabilities(keep))
    user = workload.user
    if user.uid or user.gid or user.additional_gids:
        steps.append(identity.SetUser(user.uid, user.gid, user.additional_gids))
    if keep is not None:
        steps.append(process.DropCapabilities(0 if user.uid else keep))
    steps += [
        process.WorkingDirectory(workload.cwd),
        process.DieWithParent(),
        process.CloseDescriptors(3),
        process.ReportReady(),
    ]
    if spec.linux.seccomp and not early_filter:
        steps.append(process.Filter(spec.linux.seccomp))
    steps.append(process.Exec(workload.init and not enter and not spec.native))
    return steps


def _expand(paths: tuple[str, ...]) -> tuple[str, ...]:
    """Resolve the stars in masked paths against this host, whose kernel the container shares."""
    found: list[str] = []
    for path in paths:
        found += sorted(glob.glob(path)) if "*" in path else [path]  # noqa: PTH207  # absolute
    return tuple(found)


def describe(steps: list[Operation]) -> str:
    """The plan as text, one step a line."""
    return "\n".join(f"{number:2}. {step.describe()}" for number, step in enumerate(steps, 1))
