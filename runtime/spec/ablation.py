"""Specifications with one technology switched off."""

from collections.abc import Callable
from dataclasses import replace

from runtime.errors import SpecError
from runtime.spec import Mount, Resources, Spec

_SHORT = {"mnt": "mount", "net": "network"}


def without(spec: Spec, technology: str) -> Spec:
    """The same container with one technology switched off; its profile is named after that.

    What the kernel then refuses is replaced by the host's: a proc, sysfs or message queue file
    system can only be mounted by the owner of the namespace that it shows.

    Args:
        spec: a container with that technology.
        technology: one of `TECHNOLOGIES`.

    Raises:
        SpecError: there is no such technology.
    """
    if technology not in _CHANGES:
        raise SpecError("profile", f"no technology {technology!r}; {', '.join(TECHNOLOGIES)}")
    changed = _CHANGES[technology](spec)
    return replace(changed, profile=f"{spec.profile}-{technology}")


def _drop_namespace(spec: Spec, kind: str) -> Spec:
    kind = _SHORT.get(kind, kind)
    namespaces = tuple(entry for entry in spec.linux.namespaces if entry.type != kind)
    return replace(spec, linux=replace(spec.linux, namespaces=namespaces))


def _remount(spec: Spec, replacements: dict[str, Mount | None]) -> Spec:
    mounts = (replacements.get(entry.destination, entry) for entry in spec.mounts)
    return replace(spec, mounts=tuple(entry for entry in mounts if entry is not None))


def _host(path: str, *options: str) -> Mount:
    return Mount(destination=path, type="bind", source=path, options=("rbind", *options))


def _pid(spec: Spec) -> Spec:
    spec = _remount(_drop_namespace(spec, "pid"), {"/proc": _host("/proc", "nosuid", "noexec")})
    # an init that is not process 1 reaps nothing
    return replace(spec, process=replace(spec.process, init=False))


def _uts(spec: Spec) -> Spec:
    return replace(_drop_namespace(spec, "uts"), hostname=None)


def _mnt(spec: Spec) -> Spec:
    spec = _drop_namespace(spec, "mnt")
    linux = replace(spec.linux, masked_paths=(), readonly_paths=(), devices=())
    return replace(spec, mounts=(), linux=linux)


def _ipc(spec: Spec) -> Spec:
    shared = {"/dev/shm": _host("/dev/shm"), "/dev/mqueue": None}  # noqa: S108  # POSIX shared memory
    return _remount(_drop_namespace(spec, "ipc"), shared)


def _net(spec: Spec) -> Spec:
    sysfs = _host("/sys", "ro", "nosuid", "noexec", "nodev")
    return _remount(_drop_namespace(spec, "net"), {"/sys": sysfs})


def _user(spec: Spec) -> Spec:
    spec = _drop_namespace(spec, "user")
    return replace(spec, linux=replace(spec.linux, uid_mappings=(), gid_mappings=()))


def _cgroup(spec: Spec) -> Spec:
    spec = _remount(_drop_namespace(spec, "cgroup"), {"/sys/fs/cgroup": None})
    return replace(spec, linux=replace(spec.linux, cgroup=False, resources=Resources()))


def _seccomp(spec: Spec) -> Spec:
    return replace(spec, linux=replace(spec.linux, seccomp=None))


def _capabilities(spec: Spec) -> Spec:
    return replace(spec, process=replace(spec.process, capabilities=None))


def _masks(spec: Spec) -> Spec:
    return replace(spec, linux=replace(spec.linux, masked_paths=(), readonly_paths=()))


def _no_new_privs(spec: Spec) -> Spec:
    return replace(spec, process=replace(spec.process, no_new_privileges=False))


_CHANGES: dict[str, Callable[[Spec], Spec]] = {
    "pid": _pid,
    "uts": _uts,
    "mnt": _mnt,
    "ipc": _ipc,
    "net": _net,
    "user": _user,
    "cgroup": _cgroup,
    "seccomp": _seccomp,
    "capabilities": _capabilities,
    "masks": _masks,
    "no_new_privs": _no_new_privs,
}
TECHNOLOGIES = tuple(_CHANGES)
