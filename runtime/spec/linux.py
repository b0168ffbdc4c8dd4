"""The part of a specification particular to Linux: `linux` of the OCI runtime-spec."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from runtime.spec.resources import Resources

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from runtime.spec.filesystem import IdMapping

NAMESPACES = ("pid", "uts", "mount", "ipc", "network", "user", "cgroup", "time")

#: First host id of the default user namespace: above the ranges that useradd (100000 and up) and
#: systemd-nspawn (524288 to 1879048191) hand out, so no account of the host owns it.
DEFAULT_HOST_ID = 1_879_048_192
DEFAULT_ID_COUNT = 65_536


@dataclass(frozen=True, slots=True)
class Namespace:
    """One namespace; a `path` joins an existing one instead of making it."""

    type: str
    path: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """A device node in the container: `type` is "c", "u", "b" or "p"."""

    path: str
    type: str
    major: int = 0
    minor: int = 0
    file_mode: int = 0o666
    uid: int = 0
    gid: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Landlock:
    """An optional further layer (landlock(7)): nothing but these paths can be used.

    Attributes:
        read: below these, files may be read and executed.
        write: below these, everything is allowed.
        bind_ports: TCP ports that may be bound; None for any. Likewise `connect_ports`.
        scoped: abstract sockets and signals reach nothing outside.
    """

    read: tuple[str, ...] = ()
    write: tuple[str, ...] = ()
    bind_ports: tuple[int, ...] | None = None
    connect_ports: tuple[int, ...] | None = None
    scoped: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Linux:
    """What is particular to Linux.

    Attributes:
        cgroup: make a group of its own (needed for limits, statistics and a complete kill).
        cgroups_path: where to make it, in OCI's sense; None leaves that to the runtime.
        seccomp: name of a built-in filter profile, None for no filter.
        seccomp_object: a filter as OCI's `linux.seccomp` has it, in place of a named one.
        devices: names below the host's /dev that appear in the container.
        device_nodes: further devices.
        sysctl: dotted name to value; only what belongs to a namespace of the container.
        time_offsets_ns: clock ("monotonic", "boottime") to offset, for the time namespace.
        rootfs_propagation: "private", "slave", "shared" or "unbindable"; None for private.
        loopback: bring the loopback interface of a new network namespace up.
        personality: "LINUX" or "LINUX32"; None leaves it alone.
    """

    namespaces: tuple[Namespace, ...] = ()
    uid_mappings: tuple[IdMapping, ...] = ()
    gid_mappings: tuple[IdMapping, ...] = ()
    resources: Resources = field(default_factory=Resources)
    cgroup: bool = True
    cgroups_path: str | None = None
    masked_paths: tuple[str, ...] = ()
    readonly_paths: tuple[str, ...] = ()
    devices: tuple[str, ...] = ("null", "zero", "full", "random", "urandom", "tty")
    device_nodes: tuple[Device, ...] = ()
    seccomp: str | None = None
    seccomp_object: Mapping[str, Any] | None = None
    landlock: Landlock | None = None
    sysctl: Mapping[str, str] = field(default_factory=dict)
    time_offsets_ns: Mapping[str, int] = field(default_factory=dict)
    rootfs_propagation: str | None = None
    personality: str | None = None
    loopback: bool = True

    def namespace(self, kind: str) -> Namespace | None:
        """The entry of that type, or None where the host's is shared."""
        return next((entry for entry in self.namespaces if entry.type == kind), None)
