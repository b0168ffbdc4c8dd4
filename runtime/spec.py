"""What a container is to be: frozen dataclasses in the vocabulary of the OCI runtime-spec.

Source: opencontainers/runtime-spec, config.md and config-linux.md. Fields that the OCI file has
and this runtime does not act upon are kept by the bundle loader, not here.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from runtime import capabilities
from runtime.errors import SpecError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

NAMESPACES = ("pid", "uts", "mount", "ipc", "network", "user", "cgroup", "time")

#: First host id of the default user namespace: above the ranges that useradd (100000 and up) and
#: systemd-nspawn (524288 to 1879048191) hand out, so no account of the host owns it.
DEFAULT_HOST_ID = 1_879_048_192
DEFAULT_ID_COUNT = 65_536


@dataclass(frozen=True, slots=True)
class IdMapping:
    """`size` ids from `container_id` on are `host_id` and following on the host."""

    container_id: int
    host_id: int
    size: int


@dataclass(frozen=True, slots=True)
class Namespace:
    """One namespace; a `path` joins an existing one instead of making it."""

    type: str
    path: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rlimit:
    """One resource limit: `type` as in getrlimit(2), e.g. "RLIMIT_NOFILE"."""

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
class Process:
    """The workload.

    Attributes:
        init: run a small static init (catatonit or tini) as PID 1 that reaps and forwards signals.
        capabilities: effective, permitted and bounding set; inheritable and ambient stay empty.
            None leaves the sets alone.
    """

    args: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    cwd: str = "/"
    user: User = field(default_factory=User)
    capabilities: tuple[str, ...] | None = capabilities.PODMAN
    no_new_privileges: bool = True
    rlimits: tuple[Rlimit, ...] = ()
    oom_score_adj: int | None = None
    init: bool = True
    umask: int = 0o022


@dataclass(frozen=True, slots=True, kw_only=True)
class Root:
    """The root file system.

    Attributes:
        path: a directory tree; the lower layer when there is an upper one.
        readonly: mount read-only.
        upper: "tmpfs" for a writable layer in memory that goes with the container, None for none.
        upper_size_bytes: size limit of that layer; None for the kernel's default (half the RAM).
    """

    path: Path
    readonly: bool = False
    upper: str | None = "tmpfs"
    upper_size_bytes: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Mount:
    """One further mount: `type` is "bind" or a file system's name, options as in fstab."""

    destination: str
    type: str
    source: str = ""
    options: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Resources:
    """Limits and weights; None means "as the parent has it".

    Attributes:
        cpus: CPU time per wall-clock time, e.g. 1.5.
        cpuset: list of CPUs as in cpuset(7), e.g. "0-1".
        cpu_weight: cgroup v2 scale, 1 to 10000, default 100.
        pids_limit: most tasks at once.
    """

    memory_limit_bytes: int | None = None
    memory_swap_bytes: int | None = None
    cpus: float | None = None
    cpuset: str | None = None
    cpu_weight: int | None = None
    pids_limit: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Linux:
    """What is particular to Linux.

    Attributes:
        cgroup: make a group of its own (needed for limits, statistics and a complete kill).
        seccomp: name of a built-in filter profile, or None for no filter.
        devices: names below the host's /dev that appear in the container.
        time_offsets_ns: clock ("monotonic", "boottime") to offset, for the time namespace.
    """

    namespaces: tuple[Namespace, ...] = ()
    uid_mappings: tuple[IdMapping, ...] = ()
    gid_mappings: tuple[IdMapping, ...] = ()
    resources: Resources = field(default_factory=Resources)
    cgroup: bool = True
    masked_paths: tuple[str, ...] = ()
    readonly_paths: tuple[str, ...] = ()
    devices: tuple[str, ...] = ("null", "zero", "full", "random", "urandom", "tty")
    seccomp: str | None = None
    time_offsets_ns: Mapping[str, int] = field(default_factory=dict)

    def namespace(self, kind: str) -> Namespace | None:
        """The entry of that type, or None where the host's is shared."""
        return next((entry for entry in self.namespaces if entry.type == kind), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Spec:
    """A whole container. `profile` names the profile it was made from, for reports."""

    root: Root
    process: Process
    hostname: str | None = None
    mounts: tuple[Mount, ...] = ()
    linux: Linux = field(default_factory=Linux)
    profile: str = "custom"

    @property
    def native(self) -> bool:
        """True where nothing separates the workload but chroot."""
        return not self.linux.namespaces

    def validate(self) -> None:
        """Refuse what cannot be right before any process is made.

        Raises:
            SpecError: naming the field.
        """
        _check_process(self.process)
        _check_linux(self.linux)
        if not self.root.path.is_dir():
            raise SpecError("root.path", f"{self.root.path} is not a directory; build an image")
        if self.root.upper not in ("tmpfs", None):
            raise SpecError("root.upper", f"{self.root.upper!r} is neither 'tmpfs' nor null")
        if self.hostname is not None and self.linux.namespace("uts") is None:
            raise SpecError("hostname", "needs a uts namespace; without one it is the host's")
        for number, entry in enumerate(self.mounts):
            if not entry.destination.startswith("/"):
                raise SpecError(f"mounts[{number}].destination", "must be absolute")


def _check_process(process: Process) -> None:
    if not process.args or not process.args[0]:
        raise SpecError("process.args", "is empty; name a program to run")
    if not process.cwd.startswith("/"):
        raise SpecError("process.cwd", f"{process.cwd!r} must be absolute")
    for name, value in process.env.items():
        if not name or "=" in name or "\0" in name + value:
            raise SpecError("process.env", f"{name!r} is not a usable variable")
    if any("\0" in arg for arg in process.args):
        raise SpecError("process.args", "holds a NUL byte")
    for name in process.capabilities or ():
        if name not in capabilities.NUMBERS:
            raise SpecError("process.capabilities", f"{name!r} is no capability of Linux")


def _check_linux(linux: Linux) -> None:
    for number, entry in enumerate(linux.namespaces):
        if entry.type not in NAMESPACES:
            raise SpecError(f"linux.namespaces[{number}].type", f"{entry.type!r} is unknown")
    if linux.namespace("user") and not linux.uid_mappings:
        raise SpecError("linux.uidMappings", "a user namespace without mappings has no root")
    resources = linux.resources
    numbers = {
        "memory.limit": resources.memory_limit_bytes,
        "cpu.cpus": resources.cpus,
        "pids.limit": resources.pids_limit,
    }
    for name, value in numbers.items():
        if value is not None and value <= 0:
            raise SpecError(f"linux.resources.{name}", f"{value} must be above zero")
        if value is not None and not linux.cgroup:
            raise SpecError(f"linux.resources.{name}", "needs a cgroup of the container's own")
