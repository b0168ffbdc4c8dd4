"""The encoding in which the executor reads a program (runtime/executor/plan.c)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from runtime.plan.steps import identity, mounts, process, sync
from runtime.plan.steps.values import append, values

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runtime.plan.steps import Operation

#: In the order of the executor's table: the position is the number on the wire.
STEPS: tuple[type[Any], ...] = (
    identity.NewSession, identity.LoopbackUp, identity.NewKeyring, identity.SetHostname,
    identity.SetDomainname, sync.AwaitMapping, sync.Await, identity.BecomeRoot, identity.SetUser,
    sync.EnterNamespaces, sync.BeBorn,
    sync.Unshare, sync.OffsetClock, mounts.OverlayRoot, mounts.BindRoot, mounts.MountNew,
    mounts.BindMount, mounts.SetPropagation, mounts.PivotRoot, mounts.LeaveMounts, mounts.Chroot,
    mounts.ProvideDirectory, mounts.MaskPaths, mounts.ReadonlyPaths, mounts.ReadonlyMount,
    mounts.WriteSysctl, mounts.MakeLink, mounts.Devices,
    mounts.MakeDevice, mounts.OpenConsole, mounts.TakeConsole,
    process.SetRlimit, process.ChangeProfile,
    process.NoNewPrivileges, process.BoundCapabilities, process.KeepCapabilities,
    process.SetCapabilities, process.SetUmask, process.SetPersonality, process.SetScheduler,
    process.SetIoPriority, process.SetAffinity, process.OwnStdio, process.RestrictLandlock,
    process.WorkingDirectory, process.DieWithParent, process.CloseDescriptors, sync.Report,
    sync.AwaitStart, sync.RunHook,
    process.FindProgram, process.Filter, process.Exec,
)  # fmt: skip
_NUMBER = {kind: number for number, kind in enumerate(STEPS)}


class Program(NamedTuple):
    """All that the executor is to know of a start and that does not change from start to start.

    Args:
        clone_flags: namespaces that clone3 makes; `enter`: those of a container to enter first.
        uid_map: text for /proc/PID/uid_map, "" for none; likewise `gid_map`.
        deny_setgroups: the mapping is made without privilege (user_namespaces(7)).
        oom_score_adj: text for that file, "" for none.
        env: entries NAME=VALUE.
        filter: BPF program, with its seccomp(2) flags.
        joins: paths of namespaces to enter before the clone, with their flags.
    """

    steps: Sequence[Operation]
    argv: Sequence[str]
    env: Sequence[str]
    clone_flags: int = 0
    enter: int = 0
    uid_map: str = ""
    gid_map: str = ""
    deny_setgroups: bool = False
    oom_score_adj: str = ""
    filter: bytes = b""
    filter_flags: int = 0
    joins: Sequence[tuple[str, int]] = ()


def encode(program: Program) -> bytes:
    """The program as the executor reads it."""
    parts: list[bytes] = []
    for value in (
        program.clone_flags, program.enter, program.uid_map, program.gid_map,
        "deny" if program.deny_setgroups else "", program.oom_score_adj, tuple(program.argv),
        tuple(program.env), program.filter, program.filter_flags, tuple(program.joins),
    ):  # fmt: skip
        append(parts, value)
    append(parts, len(program.steps))
    for step in program.steps:
        append(parts, _NUMBER[type(step)])
        append(parts, values(step.wire()))
    return b"".join(parts)
