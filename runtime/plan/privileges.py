"""The last steps of a plan: what the workload is given and what is taken from it.

The filter comes last, so that it need not allow what set-up itself calls. Without no_new_privs
loading one takes CAP_SYS_ADMIN (seccomp(2)), as does Landlock, which is kept for that until the
exec. No program sees it: exec computes the sets anew from the bounding, inheritable and ambient
ones (capabilities(7)), and it is in none of these.
"""

from __future__ import annotations

import resource
from typing import TYPE_CHECKING

from runtime.plan import mounts
from runtime.plan.steps import Operation, identity, process
from runtime.spec import capabilities, tables

if TYPE_CHECKING:
    from runtime.spec import Process, Spec

_NOFILE = resource.getrlimit(resource.RLIMIT_NOFILE)
_ADMIN = capabilities.mask(("CAP_SYS_ADMIN",))


def last(
    spec: Spec,
    workload: Process,
    ready: list[Operation],
    *,
    init: bool = False,
    orphan: bool = False,
    enter: bool = False,
) -> list[Operation]:
    """From the finished file systems to the exec.

    Args:
        spec: of the container.
        workload: its process, or a further one.
        ready: steps that report, and wait for the start.
        init: below an init program.
        orphan: no parent's death ends it.
        enter: it enters a running container.
    """
    linux = spec.linux
    filtered = bool(linux.seccomp or linux.seccomp_object)
    confined = filtered or linux.landlock is not None
    steps = _limits(workload)
    steps += mounts.scheduling(workload)
    if enter:
        steps += mounts.affinity(workload)
    if workload.terminal or orphan:
        user = workload.user
        steps.append(process.OwnStdio(user.uid, user.gid, workload.terminal))
    steps.append(process.SetUmask(workload.umask))
    if linux.personality is not None:
        steps.append(process.SetPersonality(tables.PERSONALITIES[linux.personality]))
    steps += _profile(workload)
    if workload.no_new_privileges:
        steps.append(process.NoNewPrivileges())
    steps += _privileges(workload, confine=confined and not workload.no_new_privileges)
    steps.append(process.WorkingDirectory(workload.cwd))
    if not orphan:
        steps.append(process.DieWithParent())
    if linux.landlock is not None:
        from runtime import landlock  # seldom

        rules = landlock.ruleset(linux.landlock, landlock.abi())
        steps.append(process.RestrictLandlock(*rules))
    steps.append(process.CloseDescriptors())
    # of an OCI container it is told while somebody creates it; one without arguments has none, and
    # only its start fails (runtime.md, "Start")
    find = [process.FindProgram()] if workload.args else []
    steps += [*find, *ready] if orphan else [*ready, *find]
    if filtered:
        steps.append(process.Filter(linux.seccomp or "of the bundle"))
    steps.append(process.Exec(init))
    return steps


def _limits(workload: Process) -> list[Operation]:
    found: list[Operation] = []
    if not any(limit.type == "RLIMIT_NOFILE" for limit in workload.rlimits):
        # the spawner raised its own; the workload gets what the harness was started with
        found.append(process.SetRlimit(resource.RLIMIT_NOFILE, *_NOFILE))
    found += [
        process.SetRlimit(tables.RLIMITS[limit.type], limit.soft, limit.hard)
        for limit in workload.rlimits
    ]
    return found


def _profile(workload: Process) -> list[Operation]:
    """Before no_new_privs, which lets a confined caller's profile only grow narrower."""
    name = workload.apparmor_profile
    if name is None:
        return []
    from runtime import apparmor  # seldom

    if name == apparmor.UNCONFINED and not apparmor.is_enabled():
        return []
    return [process.ChangeProfile(name)]


def _privileges(workload: Process, *, confine: bool) -> list[Operation]:
    """Capabilities and ids: the bounding set first, then the ids, then the other sets."""
    steps: list[Operation] = []
    user, sets = workload.user, workload.capability_sets
    admin = _ADMIN if confine else 0
    final: Operation | None = None
    if sets is not None:
        masks = [
            capabilities.mask(names)
            for names in (sets.effective, sets.permitted, sets.inheritable, sets.ambient)
        ]
        steps.append(process.BoundCapabilities(capabilities.mask(sets.bounding)))
        final = process.SetCapabilities(masks[0] | admin, masks[1] | admin, *masks[2:])
    elif workload.capabilities is not None:
        keep = capabilities.mask(workload.capabilities)
        steps.append(process.BoundCapabilities(keep))
        keep = 0 if user.uid else keep
        final = process.SetCapabilities(keep | admin, keep | admin)
    elif user.uid and admin:
        final = process.SetCapabilities(admin, admin)
    if user.uid and (admin or sets is not None):
        steps.append(process.KeepCapabilities())
    if user.uid or user.gid or user.additional_gids:
        steps.append(identity.SetUser(user.uid, user.gid, user.additional_gids))
    if final:
        steps.append(final)
    return steps
