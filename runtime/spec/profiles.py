"""Ready-made specifications: from nothing but chroot to the hardened container.

Sources of the lists: Podman's and Docker's defaults (containers/common, moby/oci/defaults.go),
tightened as docs/runtime.md says.
"""

from __future__ import annotations

import time
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from runtime.cgroups import layout
from runtime.spec import (
    DEFAULT_HOST_ID,
    DEFAULT_ID_COUNT,
    IdMapping,
    Linux,
    Mount,
    Namespace,
    Process,
    Resources,
    Root,
    Spec,
    capabilities,
    lxcfs,
    masks,
)
from runtime.spec.ablation import TECHNOLOGIES, without
from runtime.spec.diff import diff
from runtime.spec.hints import unknown

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

ENV = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root",
    "LANG": "C.UTF-8",
}
#: A fork bomb stops here; as Podman's default.
PIDS_LIMIT = 2048

_NAMESPACES = tuple(
    Namespace(kind) for kind in ("pid", "uts", "mount", "ipc", "network", "user", "cgroup")
)
_MAPPING = (IdMapping(0, DEFAULT_HOST_ID, DEFAULT_ID_COUNT),)
MOUNTS = (
    Mount(destination="/proc", type="proc", options=("nosuid", "noexec", "nodev")),
    Mount(destination="/sys", type="sysfs", options=("nosuid", "noexec", "nodev", "ro")),
    Mount(
        destination="/dev",
        type="tmpfs",
        # nodev: the devices are binds of the host's, so a node made here never opens anything
        options=("nosuid", "nodev", "strictatime", "mode=755", "size=65536k"),
    ),
    Mount(
        destination="/dev/pts",
        type="devpts",
        # at most as many terminals as LXC lets one container have: the host's are for all of them
        options=(
            "nosuid",
            "noexec",
            "newinstance",
            "ptmxmode=0666",
            "mode=0620",
            "gid=5",
            "max=1024",
        ),
    ),
    Mount(
        destination="/dev/shm",  # noqa: S108  # where POSIX shared memory is
        type="tmpfs",
        # as large as Docker's and Podman's: without a memory limit nothing else bounds it
        options=("nosuid", "noexec", "nodev", "mode=1777", "size=65536k"),
    ),
    Mount(destination="/dev/mqueue", type="mqueue", options=("nosuid", "noexec", "nodev")),
)
#: On cgroup v2 only: v1 would take a mount for every controller, and shows more of the host.
CGROUP_MOUNT = Mount(
    destination="/sys/fs/cgroup", type="cgroup2", options=("ro", "nosuid", "noexec", "nodev")
)


@cache
def _unified() -> bool:
    """Whether this host's containers are limited by cgroup v2."""
    try:
        return bool(layout.current().v2)
    except OSError:  # no /proc: the engine will say so in its own words
        return False


def default(
    *,
    rootfs: Path,
    args: Sequence[str],
    env: Mapping[str, str] | None = None,
    resources: Resources | None = None,
    hostname: str = "tare",
    cwd: str = "/",
) -> Spec:
    """Everything on that isolation asks for."""
    resources = resources or Resources()
    if resources.pids_limit is None:
        resources = replace(resources, pids_limit=PIDS_LIMIT)
    return Spec(
        profile="default",
        root=Root(path=rootfs),
        process=Process(args=tuple(args), env=ENV if env is None else dict(env), cwd=cwd),
        hostname=hostname,
        mounts=(*MOUNTS, CGROUP_MOUNT) if _unified() else MOUNTS,
        linux=Linux(
            namespaces=_NAMESPACES,
            uid_mappings=_MAPPING,
            gid_mappings=_MAPPING,
            resources=resources,
            masked_paths=masks.DEFAULT,
            readonly_paths=masks.READONLY,
            seccomp="default",
        ),
    )


def native(
    *,
    rootfs: Path,
    args: Sequence[str],
    env: Mapping[str, str] | None = None,
    cwd: str = "/",
) -> Spec:
    """The same image under chroot, nothing else: what everything is weighed against.

    Its root, an overlay, stands ready before the start. Instances that run at the same time share
    its writable layer, which is replaced when the last of them is deleted.
    """
    return Spec(
        profile="native",
        root=Root(path=rootfs),
        process=Process(
            args=tuple(args),
            env=ENV if env is None else dict(env),
            cwd=cwd,
            capabilities=None,
            no_new_privileges=False,
            init=False,
        ),
        linux=Linux(cgroup=False, devices=()),
    )


def bare(
    *,
    rootfs: Path,
    args: Sequence[str],
    env: Mapping[str, str] | None = None,
    resources: Resources | None = None,
    cwd: str = "/",
) -> Spec:
    """Namespaces only: nothing dropped, filtered or masked; a cgroup only for limits given."""
    spec = default(rootfs=rootfs, args=args, env=env, cwd=cwd)
    for technology in ("seccomp", "capabilities", "masks", "no_new_privs"):
        spec = without(spec, technology)
    limits = resources or Resources()
    linux = replace(spec.linux, resources=limits, cgroup=limits != Resources())
    return replace(spec, profile="bare", linux=linux)


def docker_like(
    *,
    rootfs: Path,
    args: Sequence[str],
    env: Mapping[str, str] | None = None,
    resources: Resources | None = None,
    cwd: str = "/",
) -> Spec:
    """What `docker run --init` gives: the host's user namespace, fourteen capabilities."""
    spec = default(rootfs=rootfs, args=args, env=env, resources=resources, cwd=cwd)
    spec = without(without(spec, "user"), "no_new_privs")
    process = replace(spec.process, capabilities=capabilities.DOCKER)
    linux = replace(
        spec.linux,
        seccomp="docker-like",
        masked_paths=masks.DOCKER,
        readonly_paths=masks.DOCKER_READONLY,
        resources=resources or Resources(),
    )
    return replace(spec, profile="docker-like", process=process, linux=linux)


def hardened(
    *,
    rootfs: Path,
    args: Sequence[str],
    env: Mapping[str, str] | None = None,
    resources: Resources | None = None,
    cwd: str = "/",
) -> Spec:
    """Default, and: read-only root, no capabilities, a tighter filter, more masks, own clocks.

    Where the host runs lxcfs, /proc shows the container's own memory, CPUs, load and uptime.
    """
    spec = default(rootfs=rootfs, args=args, env=env, resources=resources, cwd=cwd)
    options = ("nosuid", "nodev", "mode=1777")
    scratch = Mount(destination="/tmp", type="tmpfs", options=options)  # noqa: S108  # inside
    views = lxcfs.mounts()
    shown = {view.destination for view in views}
    return replace(
        spec,
        profile="hardened",
        root=replace(spec.root, readonly=True),
        process=replace(spec.process, capabilities=()),
        mounts=(*spec.mounts, *views, scratch),
        linux=replace(
            spec.linux,
            namespaces=(*spec.linux.namespaces, Namespace("time")),
            # both clocks start near zero: neither tells when the host was booted
            time_offsets_ns={
                "monotonic": -time.clock_gettime_ns(time.CLOCK_MONOTONIC),
                "boottime": -time.clock_gettime_ns(time.CLOCK_BOOTTIME),
            },
            seccomp="hardened",
            masked_paths=tuple(path for path in masks.HARDENED if path not in shown),
        ),
    )


PROFILES = {
    "default": default,
    "bare": bare,
    "docker-like": docker_like,
    "hardened": hardened,
}


def describe(name: str) -> list[str]:
    """How a profile differs from the default on this host, one line a field.

    Args:
        name: one of `PROFILES`, "native", or either with a technology that is switched off behind
            it, e.g. "default-net".

    Raises:
        SpecError: there is no such profile or technology.
    """
    known: dict[str, Callable[..., Spec]] = {**PROFILES, "native": native}
    profile = next((key for key in known if name == key or name.startswith(f"{key}-")), None)
    if profile is None:
        raise unknown("profile", name, "profile", known)
    root, args = Path("/"), ("true",)
    spec = known[profile](rootfs=root, args=args)
    if name != profile:
        spec = without(spec, name.removeprefix(f"{profile}-"))
    return diff(spec, default(rootfs=root, args=args))


__all__ = [
    "CGROUP_MOUNT",
    "MOUNTS",
    "PIDS_LIMIT",
    "PROFILES",
    "TECHNOLOGIES",
    "bare",
    "default",
    "describe",
    "diff",
    "docker_like",
    "hardened",
    "native",
    "without",
]
