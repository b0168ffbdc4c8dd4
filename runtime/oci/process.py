"""`process`: the workload (config.md, "Process")."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from runtime.errors import SpecError
from runtime.oci.node import INT32, UINT32, UINT64
from runtime.spec import (
    CapabilitySets,
    CpuAffinity,
    IoPriority,
    Process,
    Rlimit,
    Scheduler,
    User,
    capabilities,
    tables,
)
from runtime.spec.hints import nearest

if TYPE_CHECKING:
    from runtime.oci.node import Node

#: What a process has that is told nothing else: also what runc and crun do.
UMASK = 0o022
#: RLIM_INFINITY as OCI has it.
_INFINITY = 2**64 - 1
_SETS = ("bounding", "effective", "permitted", "inheritable", "ambient")


def read(node: Node) -> Process:
    """The process of a bundle.

    Raises:
        SpecError: naming the field.
    """
    reason = "this runtime cannot confine by SELinux; leave it out, or use another runtime"
    node.refuse_unless("selinuxLabel", lambda value: value == "", reason)
    sets = _read_capabilities(node)
    same = sets.bounding == sets.effective == sets.permitted
    user, umask = _read_user(node)
    # the short form gives another user than root none: one who has them needs them to be executed
    plain = user.uid == 0 or not sets.bounding
    simple = same and plain and not sets.inheritable and not sets.ambient
    terminal = bool(node.flag("terminal"))
    cwd = node.require(node.text("cwd"), "cwd")
    found = Process(
        args=node.texts("args"),
        env=_read_env(node),
        cwd=cwd,
        user=user,
        umask=umask,
        # the sets go to nobody who looks at the short form alone
        capabilities=sets.bounding if simple else (),
        capability_sets=None if simple else sets,
        no_new_privileges=bool(node.flag("noNewPrivileges")),
        rlimits=tuple(_read_rlimit(entry) for entry in node.nodes("rlimits")),
        oom_score_adj=node.integer("oomScoreAdj", INT32),
        init=False,
        terminal=terminal,
        console_size=_read_size(node, terminal=terminal),
        scheduler=_read_scheduler(node),
        io_priority=_read_io_priority(node),
        exec_cpu_affinity=_read_affinity(node),
        apparmor_profile=node.text("apparmorProfile"),
    )
    node.close()
    return found


def _read_env(node: Node) -> dict[str, str]:
    found: dict[str, str] = {}
    for number, entry in enumerate(node.texts("env")):
        name, equals, value = entry.partition("=")
        if not name or not equals:
            raise SpecError(
                f"{node.at('env')}[{number}]", f"{entry!r} is not of the form NAME=value"
            )
        if name in found:
            node.aside.notes.append(f"{node.at('env')}[{number}]: replaces the {name} before it")
            del found[name]  # takes the later place too
        found[name] = value
    return found


def _read_user(node: Node) -> tuple[User, int]:
    user = node.node("user")
    if user is None:
        return User(), UMASK
    umask = user.integer("umask", UINT32)
    found = User(
        uid=user.require(user.integer("uid", UINT32), "uid"),
        gid=user.integer("gid", UINT32) or 0,  # as runc and crun, though OCI requires it
        additional_gids=user.integers("additionalGids", UINT32),
    )
    user.close()
    return found, UMASK if umask is None else umask


def _read_capabilities(node: Node) -> CapabilitySets:
    """All five sets, without what cannot be granted: that is no error to OCI."""
    given = node.node("capabilities")
    if given is None:
        return CapabilitySets()
    names = {kind: given.texts(kind) for kind in _SETS}
    found: dict[str, tuple[str, ...]] = {}
    for kind in ("bounding", "permitted", "inheritable", "effective", "ambient"):
        kept = []
        lost: dict[str, list[str]] = {}
        for number, name in enumerate(names[kind]):
            reason = _ungrantable(kind, name, found)
            if reason:
                given.aside.keep(f"{given.at(kind)}[{number}]", name)
                lost.setdefault(reason, []).append(name)
            elif name not in kept:
                kept.append(name)
        for reason, them in lost.items():
            given.aside.notes.append(f"{given.at(kind)}: {', '.join(them)} not granted, {reason}")
        found[kind] = tuple(kept)
    given.close()
    return CapabilitySets(**found)


def _ungrantable(kind: str, name: str, others: dict[str, tuple[str, ...]]) -> str | None:
    if name not in capabilities.NUMBERS:
        close = nearest(name, capabilities.ALL)
        return "for Linux has none of that name" + (f"; did you mean {close!r}?" if close else "")
    if kind in ("effective", "ambient") and name not in others["permitted"]:
        return "for the permitted set does not have it"
    if kind == "ambient" and name not in others["inheritable"]:
        return "for the inheritable set does not have it"
    return None


def _read_rlimit(node: Node) -> Rlimit:
    what = node.require(node.word("type", "resource limit", tables.RLIMITS), "type")
    soft = node.require(node.integer("soft", UINT64), "soft")
    hard = node.require(node.integer("hard", UINT64), "hard")
    return Rlimit(
        type=what,
        soft=-1 if soft == _INFINITY else soft,
        hard=-1 if hard == _INFINITY else hard,
    )


def _read_size(node: Node, *, terminal: bool) -> tuple[int, int] | None:
    if not terminal:
        value = node.take("consoleSize")
        if value is not None:
            node.keep("consoleSize", value)  # config.md: must be ignored then
        return None
    size = node.node("consoleSize")
    if size is None:
        return None
    height = size.require(size.integer("height", UINT32), "height")
    width = size.require(size.integer("width", UINT32), "width")
    size.close()
    return height, width


def _read_scheduler(node: Node) -> Scheduler | None:
    given = node.node("scheduler")
    if given is None:
        return None
    policy = given.word("policy", "scheduling policy of Linux", tables.SCHEDULER_POLICIES)
    found = Scheduler(
        policy=given.require(policy, "policy"),
        nice=given.integer("nice", INT32) or 0,
        priority=given.integer("priority", INT32) or 0,
        flags=given.words("flags", "flag of sched_setattr(2)", tables.SCHEDULER_FLAGS),
        runtime_ns=given.integer("runtime", UINT64) or 0,
        deadline_ns=given.integer("deadline", UINT64) or 0,
        period_ns=given.integer("period", UINT64) or 0,
    )
    given.close()
    return found


def _read_io_priority(node: Node) -> IoPriority | None:
    given = node.node("ioPriority")
    if given is None:
        return None
    io_class = given.word("class", "I/O scheduling class", tables.IO_CLASSES)
    found = IoPriority(
        io_class=given.require(io_class, "class"),
        priority=given.integer("priority", INT32) or 0,  # runc and crun do without
    )
    given.close()
    return found


def _read_affinity(node: Node) -> CpuAffinity | None:
    given = node.node("execCPUAffinity")
    if given is None:
        return None
    found = CpuAffinity(initial=given.text("initial"), final=given.text("final"))
    given.close()
    return found


def write(process: Process) -> dict[str, Any]:
    """The `process` object."""
    user: dict[str, Any] = {"uid": process.user.uid, "gid": process.user.gid}
    if process.umask != UMASK:
        user["umask"] = process.umask
    if process.user.additional_gids:
        user["additionalGids"] = list(process.user.additional_gids)
    found: dict[str, Any] = {
        "terminal": process.terminal,
        "user": user,
        "args": list(process.args),
        "env": [f"{name}={value}" for name, value in process.env.items()],
        "cwd": process.cwd,
        "capabilities": _write_capabilities(process),
        "noNewPrivileges": process.no_new_privileges,
    }
    if process.console_size is not None:
        height, width = process.console_size
        found["consoleSize"] = {"height": height, "width": width}
    if process.rlimits:
        found["rlimits"] = [_write_rlimit(entry) for entry in process.rlimits]
    if process.oom_score_adj is not None:
        found["oomScoreAdj"] = process.oom_score_adj
    if process.scheduler is not None:
        found["scheduler"] = _write_scheduler(process.scheduler)
    if process.io_priority is not None:
        priority = process.io_priority
        found["ioPriority"] = {"class": priority.io_class, "priority": priority.priority}
    if process.exec_cpu_affinity is not None:
        affinity = process.exec_cpu_affinity
        pairs = (("initial", affinity.initial), ("final", affinity.final))
        found["execCPUAffinity"] = {key: value for key, value in pairs if value is not None}
    if process.apparmor_profile is not None:
        found["apparmorProfile"] = process.apparmor_profile
    return found


def _write_capabilities(process: Process) -> dict[str, list[str]]:
    sets = process.capability_sets
    if sets is not None:
        return {kind: list(getattr(sets, kind)) for kind in _SETS if getattr(sets, kind)}
    # to leave them alone is to keep all that root has
    kept = capabilities.ALL if process.capabilities is None else process.capabilities
    kinds = ("bounding",) if process.user.uid else ("bounding", "effective", "permitted")
    return {kind: list(kept) for kind in kinds}


def _write_rlimit(limit: Rlimit) -> dict[str, Any]:
    soft, hard = (_INFINITY if value == -1 else value for value in (limit.soft, limit.hard))
    return {"type": limit.type, "soft": soft, "hard": hard}


def _write_scheduler(scheduler: Scheduler) -> dict[str, Any]:
    values: dict[str, Any] = {
        "nice": scheduler.nice,
        "priority": scheduler.priority,
        "flags": list(scheduler.flags),
        "runtime": scheduler.runtime_ns,
        "deadline": scheduler.deadline_ns,
        "period": scheduler.period_ns,
    }
    return {"policy": scheduler.policy, **{key: value for key, value in values.items() if value}}
