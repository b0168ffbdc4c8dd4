"""Rules for `process`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runtime.errors import SpecError
from runtime.spec import capabilities, id_mappings, tables
from runtime.spec.hints import short, unknown
from runtime.spec.validation.text import check_absolute, check_list, check_text

if TYPE_CHECKING:
    from runtime.spec import Linux, Process, Rlimit, Scheduler, User
    from runtime.spec.process import CapabilitySets

_MOST_GROUPS = 65_536  # NGROUPS_MAX, see setgroups(2)
_MOST_CELLS = 65_535  # struct winsize has unsigned shorts, see ioctl_tty(2)
_SCORES = range(-1000, 1001)  # proc_pid_oom_score_adj(5)
_UMASKS = range(0o1000)
_LIMITS = range(2**64 - 1)  # rlim_t; its last value is RLIM_INFINITY
_NICE = range(-20, 20)
_PRIORITIES = range(1, 100)  # sched(7)
_IO_LEVELS = range(8)  # ioprio_set(2)
_LEAST_RUNTIME_NS = 1024  # sched(7), "SCHED_DEADLINE"
_TIMES = range(2**63)  # likewise


def check(process: Process) -> None:
    """Refuse what cannot be right.

    Raises:
        SpecError: naming the field.
    """
    if not process.args or not process.args[0]:
        raise SpecError("process.args", "is empty; name a program to run")
    for arg in process.args:
        check_text("process.args", arg)
    check_absolute("process.cwd", process.cwd)
    for name, value in process.env.items():
        if not name or "=" in name or "\0" in name + value:
            raise SpecError("process.env", f"{short(name)} is not a usable variable")
        check_text("process.env", name + value)
    for name in process.capabilities or ():
        if name not in capabilities.NUMBERS:
            raise unknown("process.capabilities", name, "capability of Linux", capabilities.ALL)
    if process.capability_sets is not None:
        _check_sets(process.capability_sets)
    _check_user(process.user)
    _check_rlimits(process.rlimits)
    _check_terminal(process)
    _within("process.oomScoreAdj", process.oom_score_adj, _SCORES)
    if process.umask not in _UMASKS:
        raise SpecError("process.user.umask", f"{process.umask} is outside 0 to {0o777} (0o777)")
    if process.scheduler is not None:
        _check_scheduler(process.scheduler)
    _check_placement(process)


def check_mapped(user: User, linux: Linux) -> None:
    """Refuse ids that the container's own mapping leaves out: no process can take them.

    Raises:
        SpecError: naming the field.
    """
    namespace = linux.namespace("user")
    if namespace is None or namespace.path is not None:
        return
    for kind, ids, mapped in (
        ("uid", {"process.user.uid": user.uid}, linux.uid_mappings),
        (
            "gid",
            {
                "process.user.gid": user.gid,
                **{
                    f"process.user.additionalGids[{number}]": gid
                    for number, gid in enumerate(user.additional_gids)
                },
            },
            linux.gid_mappings,
        ),
    ):
        for path, value in ids.items():
            if mapped and id_mappings.to_host(mapped, value) is None:
                raise SpecError(path, f"{value} is not mapped by linux.{kind}Mappings")


def _within(path: str, value: int | None, allowed: range) -> None:
    if value is not None and value not in allowed:
        raise SpecError(path, f"{short(value)} is outside {allowed.start} to {allowed.stop - 1}")


def _check_sets(sets: CapabilitySets) -> None:
    for kind in ("bounding", "effective", "permitted", "inheritable", "ambient"):
        for number, name in enumerate(getattr(sets, kind)):
            if name not in capabilities.NUMBERS:
                raise unknown(
                    f"process.capabilities.{kind}[{number}]",
                    name,
                    "capability of Linux",
                    capabilities.ALL,
                )
    for kind, names, others in (
        ("effective", sets.effective, ("permitted",)),
        ("ambient", sets.ambient, ("permitted", "inheritable")),
    ):
        for other in others:
            missing = [name for name in names if name not in getattr(sets, other)]
            if missing:
                raise SpecError(
                    f"process.capabilities.{kind}",
                    f"{missing[0]} is not in the {other} set, so the kernel refuses it",
                )


def _check_user(user: User) -> None:
    ids = range(id_mappings.LAST_ID + 1)
    _within("process.user.uid", user.uid, ids)
    _within("process.user.gid", user.gid, ids)
    for number, gid in enumerate(user.additional_gids):
        _within(f"process.user.additionalGids[{number}]", gid, ids)
    if len(user.additional_gids) > _MOST_GROUPS:
        raise SpecError(
            "process.user.additionalGids",
            f"has {len(user.additional_gids)} groups; the kernel takes {_MOST_GROUPS}",
        )


def _check_rlimits(rlimits: tuple[Rlimit, ...]) -> None:
    seen = set()
    for number, limit in enumerate(rlimits):
        path = f"process.rlimits[{number}]"
        if limit.type not in tables.RLIMITS:
            raise unknown(f"{path}.type", limit.type, "resource limit", tables.RLIMITS)
        if limit.type in seen:
            raise SpecError(f"{path}.type", f"{limit.type} is given twice")
        seen.add(limit.type)
        for key, value in (("soft", limit.soft), ("hard", limit.hard)):
            if value != -1:
                _within(f"{path}.{key}", value, _LIMITS)
        if limit.hard != -1 and not 0 <= limit.soft <= limit.hard:
            raise SpecError(f"{path}.soft", f"is above the hard limit {limit.hard}")


def _check_terminal(process: Process) -> None:
    if process.console_size is None:
        return
    if not process.terminal:
        raise SpecError("process.consoleSize", "needs process.terminal to be true")
    for key, value in zip(("height", "width"), process.console_size, strict=True):
        _within(f"process.consoleSize.{key}", value, range(_MOST_CELLS + 1))


def _check_scheduler(scheduler: Scheduler) -> None:
    path = "process.scheduler"
    policy = scheduler.policy
    if policy not in tables.SCHEDULER_POLICIES:
        raise unknown(
            f"{path}.policy", policy, "scheduling policy of Linux", tables.SCHEDULER_POLICIES
        )
    for number, flag in enumerate(scheduler.flags):
        if flag not in tables.SCHEDULER_FLAGS:
            raise unknown(
                f"{path}.flags[{number}]", flag, "flag of sched_setattr(2)", tables.SCHEDULER_FLAGS
            )
    _within(f"{path}.nice", scheduler.nice, _NICE)
    if policy in ("SCHED_FIFO", "SCHED_RR"):
        _within(f"{path}.priority", scheduler.priority, _PRIORITIES)
    elif scheduler.priority:
        raise SpecError(f"{path}.priority", f"means nothing to {policy}; leave it out")
    _check_times(scheduler)


def _check_times(scheduler: Scheduler) -> None:
    path, policy = "process.scheduler", scheduler.policy
    for key, value in (
        ("runtime", scheduler.runtime_ns),
        ("deadline", scheduler.deadline_ns),
        ("period", scheduler.period_ns),
    ):
        _within(f"{path}.{key}", value, _TIMES)
        if value and policy != "SCHED_DEADLINE":
            raise SpecError(f"{path}.{key}", f"means nothing to {policy}; leave it out")
    if policy != "SCHED_DEADLINE":
        return
    if scheduler.runtime_ns < _LEAST_RUNTIME_NS:
        raise SpecError(f"{path}.runtime", f"must be at least {_LEAST_RUNTIME_NS} ns")
    period = scheduler.period_ns or scheduler.deadline_ns
    if not scheduler.runtime_ns <= scheduler.deadline_ns <= period:
        raise SpecError(f"{path}.deadline", "must be between runtime and period, see sched(7)")


def _check_placement(process: Process) -> None:
    if process.io_priority is not None:
        known = tables.IO_CLASSES
        name = process.io_priority.io_class
        if name not in known:
            raise unknown("process.ioPriority.class", name, "I/O scheduling class", known)
        _within("process.ioPriority.priority", process.io_priority.priority, _IO_LEVELS)
    if process.exec_cpu_affinity is not None:
        for key in ("initial", "final"):
            value = getattr(process.exec_cpu_affinity, key)
            if value is not None:
                check_list(f"process.execCPUAffinity.{key}", value)
