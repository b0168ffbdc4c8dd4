"""The workload and the programs around it: `process` and `hooks` of the OCI runtime-spec."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from runtime.spec import capabilities

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True, kw_only=True)
class Rlimit:
    """One resource limit: `type` as in getrlimit(2), e.g. "RLIMIT_NOFILE"; -1 for no limit."""

    type: str
    soft: int
    hard: int


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """Ids inside the container."""

    uid: int = 0
    gid: int = 0
    additional_gids: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CapabilitySets:
    """The five sets of capabilities(7), each by name."""

    bounding: tuple[str, ...] = ()
    effective: tuple[str, ...] = ()
    permitted: tuple[str, ...] = ()
    inheritable: tuple[str, ...] = ()
    ambient: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Scheduler:
    """Arguments of sched_setattr(2): `policy` by its name, e.g. "SCHED_BATCH"; times in ns."""

    policy: str
    nice: int = 0
    priority: int = 0
    flags: tuple[str, ...] = ()
    runtime_ns: int = 0
    deadline_ns: int = 0
    period_ns: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class IoPriority:
    """Arguments of ioprio_set(2): class by its name, e.g. "IOPRIO_CLASS_BE", and level 0 to 7."""

    io_class: str
    priority: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class CpuAffinity:
    """CPUs of a further process (not of the first), as lists like "0-3,7".

    Attributes:
        initial: where it runs before it enters the container's group; None leaves that alone.
        final: where it runs from then on; None leaves that to the kernel.
    """

    initial: str | None = None
    final: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """The workload.

    Attributes:
        init: run a small static init (catatonit or tini) as PID 1 that reaps and forwards signals.
        capabilities: effective, permitted and bounding set; inheritable and ambient stay empty.
            None leaves the sets alone.
        capability_sets: all five sets one by one, in place of `capabilities`.
        oom_score_adj: -1000 to 1000, see proc_pid_oom_score_adj(5); None leaves it alone.
        terminal: give it a pseudo-terminal of the container's own as standard input, output and
            error, and as its controlling terminal.
        console_size: rows and columns of that terminal.
        exec_cpu_affinity: for processes that enter the container later.
        apparmor_profile: a profile that is loaded, or "unconfined"; None leaves that alone.
    """

    args: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    cwd: str = "/"
    user: User = field(default_factory=User)
    capabilities: tuple[str, ...] | None = capabilities.PODMAN
    capability_sets: CapabilitySets | None = None
    no_new_privileges: bool = True
    rlimits: tuple[Rlimit, ...] = ()
    oom_score_adj: int | None = None
    init: bool = True
    umask: int = 0o022
    terminal: bool = False
    console_size: tuple[int, int] | None = None
    scheduler: Scheduler | None = None
    io_priority: IoPriority | None = None
    exec_cpu_affinity: CpuAffinity | None = None
    apparmor_profile: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Hook:
    """One program to run at a point of the life cycle; `timeout_s` None waits for it forever."""

    path: str
    args: tuple[str, ...] = ()
    env: tuple[str, ...] = ()
    timeout_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Hooks:
    """Programs to run at points of the life cycle (config.md, "POSIX-platform Hooks")."""

    prestart: tuple[Hook, ...] = ()
    create_runtime: tuple[Hook, ...] = ()
    create_container: tuple[Hook, ...] = ()
    start_container: tuple[Hook, ...] = ()
    poststart: tuple[Hook, ...] = ()
    poststop: tuple[Hook, ...] = ()
