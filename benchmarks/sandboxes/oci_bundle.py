"""A container of ours as an OCI bundle's ``config.json``, for the runtimes of others.

Source: opencontainers/runtime-spec 1.0.2, config.md and config-linux.md. The runtimes make the
customary devices themselves, so those are not in the file.
"""

from __future__ import annotations

import glob
from typing import TYPE_CHECKING, Any

from runtime import seccomp

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from runtime import Spec
    from runtime.spec import IdMapping, Linux, Resources

INIT = "/sbin/tare-init"
"""Where the init program is bound inside, as ``docker run --init`` does."""

_PERIOD_US = 100_000
_TYPES = {"cgroup2": "cgroup"}
"""Where the OCI file has a word of its own for a file system."""


def config(spec: Spec, *, rootfs: Path, cgroup: str | None, init: Path | None) -> dict[str, Any]:
    """Return the content of ``config.json`` for a specification.

    Args:
        spec: The container, as our runtime takes it.
        rootfs: Where its root is mounted already: an OCI runtime makes no overlay.
        cgroup: Path of its control group in every hierarchy; None for no group.
        init: The host's init program to put above the workload, where the spec asks for one.
    """
    wants_init = spec.process.init and init is not None
    mounts = [
        {
            "destination": mount.destination,
            "type": _TYPES.get(mount.type, mount.type),
            "source": mount.source or _TYPES.get(mount.type, mount.type),
            "options": list(mount.options),
        }
        for mount in spec.mounts
    ]
    if wants_init:
        options = ["bind", "ro", "nosuid", "nodev"]
        mounts.append(
            {"destination": INIT, "type": "bind", "source": str(init), "options": options}
        )
    return {
        "ociVersion": "1.0.2",
        "root": {"path": str(rootfs), "readonly": spec.root.readonly},
        "hostname": spec.hostname,
        "process": process(spec, init=wants_init),
        "mounts": mounts,
        "linux": _linux(spec.linux, cgroup),
    }


def process(spec: Spec, *, init: bool = False) -> dict[str, Any]:
    """Return the ``process`` object: the workload, below the bound init where ``init`` is set."""
    workload = spec.process
    kept = list(workload.capabilities or ())
    return {
        "terminal": False,
        "user": {"uid": workload.user.uid, "gid": workload.user.gid},
        "args": [INIT, "--", *workload.args] if init else list(workload.args),
        "env": [f"{name}={value}" for name, value in workload.env.items()],
        "cwd": workload.cwd,
        "capabilities": dict.fromkeys(("bounding", "effective", "permitted"), kept),
        "noNewPrivileges": workload.no_new_privileges,
    }


def _linux(linux: Linux, cgroup: str | None) -> dict[str, Any]:
    found: dict[str, Any] = {
        "namespaces": [{"type": entry.type} for entry in linux.namespaces],
        "uidMappings": _mappings(linux.uid_mappings),
        "gidMappings": _mappings(linux.gid_mappings),
        "maskedPaths": expand(linux.masked_paths),
        "readonlyPaths": list(linux.readonly_paths),
    }
    if cgroup is not None:
        found |= {"cgroupsPath": cgroup, "resources": _resources(linux.resources)}
    if linux.seccomp is not None:
        found["seccomp"] = seccomp.to_object(linux.seccomp)
    return found


def _resources(limits: Resources) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if limits.memory_limit_bytes is not None:
        found["memory"] = {"limit": limits.memory_limit_bytes}
    if limits.cpus is not None:
        found["cpu"] = {"quota": round(limits.cpus * _PERIOD_US), "period": _PERIOD_US}
    if limits.pids_limit is not None:
        found["pids"] = {"limit": limits.pids_limit}
    return found


def _mappings(mappings: Iterable[IdMapping]) -> list[dict[str, int]]:
    return [
        {"containerID": entry.container_id, "hostID": entry.host_id, "size": entry.size}
        for entry in mappings
    ]


def expand(paths: Iterable[str]) -> list[str]:
    """Resolve stars against this host: the OCI file has none."""
    found: list[str] = []
    for path in paths:
        found += sorted(glob.glob(path)) if "*" in path else [path]  # noqa: PTH207  # absolute
    return found
