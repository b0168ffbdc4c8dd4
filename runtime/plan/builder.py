"""The builder of plans, from specifications: the whole order of the steps stands here."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from runtime import kept_layer, syscalls
from runtime.plan import mounts as mounting
from runtime.plan import privileges
from runtime.plan.steps import Operation, identity, mounts, sync
from runtime.plan.steps.encoding import Program
from runtime.spec import id_mappings
from runtime.spec.masks import expand

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runtime.spec import Hook, Linux, Process, Spec

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
#: Made by the container itself, after what they capture is in place.
_LATE = ("cgroup", "time")
_PROPAGATION = {
    "private": syscalls.MS_PRIVATE,
    "slave": syscalls.MS_SLAVE,
    "shared": syscalls.MS_SHARED,
    "unbindable": syscalls.MS_UNBINDABLE,
}


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


class Detached(NamedTuple):
    """A container that outlives whoever creates it, as an OCI command line makes it.

    Args:
        creating: state for hooks of the creation, as JSON, with "@PID@" for the process id that
            the container sees.
        starting: the same for those of the start.
        groups: controller to its control group.
        env: entries NAME=VALUE for hooks that name none, which get the runtime's own.
        bundle: directory, in which hooks of the creation run.
        outputs: files that take the standard output and the errors of hooks; "" for none.
        keyring: give it a session keyring of its own.
    """

    creating: str
    starting: str
    groups: Mapping[str, str]
    env: tuple[str, ...] = ()
    bundle: str = ""
    outputs: tuple[str, str] = ("", "")
    keyring: bool = True


def create(
    spec: Spec, *, paused: bool = False, detached: Detached | None = None
) -> list[Operation]:
    """Every step from clone to exec, in order.

    Steps that need nothing of the spawner come first, so that the id mappings are written on the
    other processor meanwhile; the wait for the cgroup comes as late as it can.

    Args:
        spec: what to make.
        paused: stop before the filter and the exec, until the container is started.
        detached: it waits for its start at a socket, and no parent's death ends it.
    """
    linux = spec.linux
    keyring = detached is None or detached.keyring
    steps = _identity(spec, keyring=keyring)
    own = linux.namespace("mount") is not None
    if own or detached:
        if detached:
            # the host's mounts may be shared: nothing made here must travel back
            steps.insert(0, mounts.SetPropagation("", syscalls.MS_SLAVE | syscalls.MS_REC))
        steps += _root(spec, detached)
        if own:
            steps.append(mounts.PivotRoot())
        steps += _finish_root(linux, stars=detached is None)
    else:
        steps.append(mounts.Chroot(""))
    if linux.cgroup:
        steps.append(sync.Await("g"))
    steps += _late(spec, detached)
    if detached:
        if not own:
            steps.append(mounts.LeaveMounts())
        ready = _await_start(spec, detached)
        return steps + privileges.last(spec, spec.process, ready, orphan=True)
    waiting: list[Operation] = [sync.Await("s")] if paused else []
    init = spec.process.init and not spec.native
    return steps + privileges.last(spec, spec.process, [sync.Report(), *waiting], init=init)


def execute(
    spec: Spec,
    workload: Process,
    *,
    orphan: bool = False,
    root: str = "",
    filter_first: bool = False,
) -> list[Operation]:
    """The steps of a further process in a running container.

    Args:
        spec: of the container.
        workload: the process.
        orphan: no parent's death ends it.
        root: where the container has no mount namespace, its root; "" for the image.
        filter_first: as `entering.filter_comes_first` says of the filter.
    """
    # by the host's /proc, which shows who enters to itself
    steps: list[Operation] = [*privileges.profile(workload), sync.EnterNamespaces()]
    if spec.linux.namespace("user"):
        steps.append(identity.BecomeRoot())
    if not spec.linux.namespace("mount"):
        steps.append(mounts.Chroot(root))
    if workload.terminal:
        steps.append(mounts.OpenConsole(*(workload.console_size or (0, 0))))
    steps += privileges.before_birth(spec, workload, orphan=orphan, filter_first=filter_first)
    steps += [sync.BeBorn(), identity.NewSession()]
    if spec.linux.cgroup:
        steps.append(sync.Await("g"))
    if workload.terminal:
        steps.append(mounts.TakeConsole())
    return steps + privileges.after_birth(
        spec, workload, [sync.Report()], orphan=orphan, filtered=filter_first
    )


def without_setgroups(steps: list[Operation]) -> list[Operation]:
    """The same where ids are mapped without privilege, which forbids setgroups(2).

    Source: user_namespaces(7), "The /proc/pid/setgroups file".
    """
    return [
        step._replace(setgroups_denied=True)
        if isinstance(step, identity.BecomeRoot | identity.SetUser)
        else step
        for step in steps
    ]


def program(
    spec: Spec,
    workload: Process,
    steps: list[Operation],
    *,
    enter: bool = False,
    filter: bytes = b"",  # noqa: A002  # seccomp's word
    filter_flags: int = 0,
) -> Program:
    """What the executor is told of a start.

    Args:
        spec: of the container.
        workload: its process, or a further one.
        steps: of `create` or `execute`.
        enter: it is a further one.
        filter: compiled, where the steps load one.
        filter_flags: of seccomp(2).
    """
    score = workload.oom_score_adj
    found = Program(
        steps=steps,
        argv=workload.args,
        env=[f"{name}={value}" for name, value in workload.env.items()],
        oom_score_adj="" if score is None or enter else str(score),
        filter=filter,
        filter_flags=filter_flags,
    )
    if enter:
        return found._replace(enter=join_flags(spec))
    uids, gids = mapping(spec)
    # A new user namespace has no rights over the others, so they are entered before it is made.
    joined = sorted(
        ((str(e.path), FLAGS[e.type]) for e in spec.linux.namespaces if e.path is not None),
        key=lambda entry: entry[1] != syscalls.CLONE_NEWUSER,
    )
    flags = clone_flags(spec)
    if any(isinstance(step, mounts.LeaveMounts) for step in steps):
        flags |= syscalls.CLONE_NEWNS
    return found._replace(clone_flags=flags, uid_map=uids, gid_map=gids, joins=joined)


def mapping(spec: Spec) -> tuple[str, str]:
    """Texts for uid_map and gid_map, empty where no user namespace is made."""
    namespace = spec.linux.namespace("user")
    if namespace is None or namespace.path is not None:
        return ("", "")
    return (id_mappings.lines(spec.linux.uid_mappings), id_mappings.lines(spec.linux.gid_mappings))


def _identity(spec: Spec, *, keyring: bool) -> list[Operation]:
    linux = spec.linux
    steps: list[Operation] = [identity.NewSession()]
    network, user = linux.namespace("network"), linux.namespace("user")
    if network and network.path is None and linux.loopback:
        steps.append(identity.LoopbackUp())
    if keyring and not spec.native:
        steps.append(identity.NewKeyring())
    if spec.hostname is not None:
        steps.append(identity.SetHostname(spec.hostname))
    if spec.domainname is not None:
        steps.append(identity.SetDomainname(spec.domainname))
    if user:
        if user.path is None:
            steps.append(sync.AwaitMapping())
        steps.append(identity.BecomeRoot())
    # through the host's /proc, which shows each process its own namespaces' parameters
    steps += [mounts.WriteSysctl(*entry) for entry in linux.sysctl.items()]
    return steps


def _root(spec: Spec, detached: Detached | None) -> list[Operation]:
    linux, root = spec.linux, spec.root
    steps: list[Operation] = []
    if root.upper is None:
        path = "" if root.shift_owners and not detached else str(root.path)
        steps.append(mounts.BindRoot(path, nodev=not detached))
    else:
        upper = str(root.upper / kept_layer.CLOSED) if isinstance(root.upper, Path) else ""
        steps.append(mounts.OverlayRoot(root.upper_size_bytes or 0, upper))
    for entry in spec.mounts:
        if entry.type in mounting.CGROUP_KINDS:
            continue
        steps += mounting.steps(entry, linux)
        if entry.destination == "/dev" and entry.type == "tmpfs" and linux.devices:
            steps.append(mounts.Devices(linux.devices))
    steps += mounting.devices(spec.mounts, linux)
    if detached:
        steps.append(mounts.ProvideDirectory(spec.process.cwd))
    if spec.process.terminal:
        steps.append(mounts.OpenConsole(*(spec.process.console_size or (0, 0)), bind=True))
        steps.append(mounts.TakeConsole())
    return steps + _create_hooks(spec, detached) if detached else steps


def _create_hooks(spec: Spec, detached: Detached) -> list[Operation]:
    """All of them see the finished mounts, and none the pivot (config.md, "createContainer")."""
    hooks = spec.hooks
    steps: list[Operation] = []
    if hooks.prestart or hooks.create_runtime:
        steps += [sync.Report("h"), sync.Await("h")]
    folder, state = detached.bundle, detached.creating
    return steps + [_hook(entry, folder, state, detached) for entry in hooks.create_container]


def _finish_root(linux: Linux, *, stars: bool) -> list[Operation]:
    """`stars`: masked paths may hold some, which OCI's do not."""
    steps: list[Operation] = []
    if linux.rootfs_propagation:
        flags = _PROPAGATION[linux.rootfs_propagation.removeprefix("r")]
        deep = syscalls.MS_REC if linux.rootfs_propagation.startswith("r") else 0
        steps.append(mounts.SetPropagation("/", flags | deep))
    if linux.readonly_paths:
        steps.append(mounts.ReadonlyPaths(linux.readonly_paths))
    if linux.masked_paths:
        masked = expand(linux.masked_paths) if stars else linux.masked_paths
        steps.append(mounts.MaskPaths(tuple(masked)))
    return steps


def _await_start(spec: Spec, detached: Detached) -> list[Operation]:
    hooks = spec.hooks.start_container
    started = (_hook(entry, "", detached.starting, detached) for entry in hooks)
    return [sync.Report(), sync.AwaitStart(), *started]


def _hook(entry: Hook, folder: str, state: str, detached: Detached) -> Operation:
    limit = -1 if entry.timeout_s is None else round(entry.timeout_s * 1000)
    env = entry.env or detached.env
    return sync.RunHook(*detached.outputs, entry.path, entry.args, env, folder, limit, state)


def _late(spec: Spec, detached: Detached | None) -> list[Operation]:
    """What can only be made once the process is in its control group."""
    linux = spec.linux
    groups = detached.groups if detached else None
    steps: list[Operation] = []
    group, clock = linux.namespace("cgroup"), linux.namespace("time")
    if group and group.path is None:
        steps.append(sync.Unshare("cgroup", FLAGS["cgroup"]))
    if linux.namespace("mount") or detached:
        # shows the group the namespace was made in, so it can only be mounted now
        for entry in spec.mounts:
            if entry.type in mounting.CGROUP_KINDS:
                steps += mounting.cgroup_steps(entry, private=group is not None, groups=groups)
        if spec.root.readonly:
            steps.append(mounts.ReadonlyMount())
    if clock and clock.path is None:
        steps.append(sync.Unshare("time", FLAGS["time"]))
        steps += [sync.OffsetClock(*entry) for entry in linux.time_offsets_ns.items()]
    return steps


def describe(steps: list[Operation]) -> str:
    """The plan as text, one step a line."""
    return "\n".join(f"{number:2}. {step.describe()}" for number, step in enumerate(steps, 1))
