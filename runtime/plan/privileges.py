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
) -> list[Operation]:
    """From the finished file systems to the exec.

    Args:
        spec: of the container.
        workload: its process.
        ready: steps that report, and wait for the start.
        init: below an init program.
        orphan: no parent's death ends it.
    """
    linux = spec.linux
    confined = _filtered(spec) or linux.landlock is not None
    steps = [*_limits(workload), *mounts.scheduling(workload)]
    steps += _own_stdio(workload, orphan=orphan)
    steps += _traits(spec, workload)
    steps += profile(workload)
    if workload.no_new_privileges:
        steps.append(process.NoNewPrivileges())
    steps += _privileges(workload, confine=confined and not workload.no_new_privileges)
    steps.append(process.WorkingDirectory(workload.cwd))
    if not orphan:
        steps.append(process.DieWithParent())
    steps += _landlock(spec)
    steps.append(process.CloseDescriptors())
    return steps + _execution(spec, workload, ready, init=init, orphan=orphan)


def before_birth(
    spec: Spec, workload: Process, *, orphan: bool, filter_first: bool
) -> list[Operation]:
    """What a process that enters gives up while nobody inside can see it.

    Args:
        spec: of the container.
        workload: the process.
        orphan: no parent's death ends it.
        filter_first: the filter is loaded here, too.
    """
    linux = spec.linux
    steps = [*mounts.scheduling(workload, inherited=True), *mounts.affinity(workload)]
    steps += _own_stdio(workload, orphan=orphan)
    steps += _traits(spec, workload)
    if workload.no_new_privileges:
        steps.append(process.NoNewPrivileges())
    confined = linux.landlock is not None or _filtered(spec)
    admin = confined and not workload.no_new_privileges
    steps += _privileges(workload, confine=admin)
    steps += _landlock(spec)
    if filter_first:
        steps.append(_filter(spec))
    if admin and (filter_first or not _filtered(spec)):
        steps += _sets(workload, 0)
    return steps


def after_birth(
    spec: Spec,
    workload: Process,
    ready: list[Operation],
    *,
    orphan: bool,
    filtered: bool,
) -> list[Operation]:
    """From the birth inside to the exec.

    Args:
        spec: of the container.
        workload: the process.
        ready: steps that report.
        orphan: no parent's death ends it.
        filtered: the filter is loaded.
    """
    steps = [*_limits(workload), *mounts.scheduling(workload, inherited=False)]
    steps.append(process.WorkingDirectory(workload.cwd))
    if not orphan:
        steps.append(process.DieWithParent())
    steps.append(process.CloseDescriptors())
    return steps + _execution(spec, workload, ready, orphan=orphan, filtered=filtered)


def _execution(
    spec: Spec,
    workload: Process,
    ready: list[Operation],
    *,
    init: bool = False,
    orphan: bool = False,
    filtered: bool = False,
) -> list[Operation]:
    # of an OCI container it is told while somebody creates it; one without arguments has none, and
    # only its start fails (runtime.md, "Start")
    find = [process.FindProgram()] if workload.args else []
    steps = [*find, *ready] if orphan else [*ready, *find]
    if _filtered(spec) and not filtered:
        steps.append(_filter(spec))
    return [*steps, process.Exec(init)]


def _filtered(spec: Spec) -> bool:
    return bool(spec.linux.seccomp or spec.linux.seccomp_object)


def _filter(spec: Spec) -> Operation:
    return process.Filter(spec.linux.seccomp or "of the bundle")


def _landlock(spec: Spec) -> list[Operation]:
    if spec.linux.landlock is None:
        return []
    from runtime import landlock  # seldom

    rules = landlock.ruleset(spec.linux.landlock, landlock.abi())
    return [process.RestrictLandlock(*rules)]


def _own_stdio(workload: Process, *, orphan: bool) -> list[Operation]:
    if not workload.terminal and not orphan:
        return []
    user = workload.user
    return [process.OwnStdio(user.uid, user.gid, workload.terminal)]


def _traits(spec: Spec, workload: Process) -> list[Operation]:
    found: list[Operation] = [process.SetUmask(workload.umask)]
    if spec.linux.personality is not None:
        found.append(process.SetPersonality(tables.PERSONALITIES[spec.linux.personality]))
    return found


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


def profile(workload: Process) -> list[Operation]:
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
    if sets is not None:
        steps.append(process.BoundCapabilities(capabilities.mask(sets.bounding)))
    elif workload.capabilities is not None:
        steps.append(process.BoundCapabilities(capabilities.mask(workload.capabilities)))
    if user.uid and (admin or sets is not None):
        steps.append(process.KeepCapabilities())
    if user.uid or user.gid or user.additional_gids:
        steps.append(identity.SetUser(user.uid, user.gid, user.additional_gids))
    if admin or sets is not None or workload.capabilities is not None:
        steps += _sets(workload, admin)
    return steps


def _sets(workload: Process, admin: int) -> list[Operation]:
    """The sets of the process itself, and `admin` for as long as it takes."""
    sets = workload.capability_sets
    if sets is not None:
        masks = [
            capabilities.mask(names)
            for names in (sets.effective, sets.permitted, sets.inheritable, sets.ambient)
        ]
        return [process.SetCapabilities(masks[0] | admin, masks[1] | admin, *masks[2:])]
    if workload.capabilities is not None:
        keep = 0 if workload.user.uid else capabilities.mask(workload.capabilities)
        return [process.SetCapabilities(keep | admin, keep | admin)]
    if workload.user.uid:
        return [process.SetCapabilities(admin, admin)]
    return []
