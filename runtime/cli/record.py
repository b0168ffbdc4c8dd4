"""The record of one container, as JSON; what is not there has the value of a fresh one."""

from __future__ import annotations

import json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, Self

_FRESH: dict[str, Any] = {
    "id": "", "bundle": "", "rootfs": "", "created": "", "owner": "", "oci_version": "", "pid": 0,
    "start_time": 0, "boot_id": "", "annotations": {}, "cgroups": {}, "made": [], "spare": {},
    "descriptors": [], "hooks": [], "listener": "", "listener_metadata": "", "steps": 0,
    "cgroup_path": "", "shares_pids": False, "scope": "",
}  # fmt: skip


class Record:
    """What is to be known of a container later.

    Attributes:
        id, bundle, rootfs: the paths are absolute.
        created: RFC 3339, UTC.
        owner: name of whoever created it.
        oci_version: of the bundle.
        pid: of its first process, 0 while it is being made.
        start_time: of that process in clock ticks since boot, since a pid is used again.
        boot_id: the boot of the host that both belong to.
        annotations: of the bundle.
        cgroups: controller to directory; empty where it has none.
        made: groups to remove with it, parents first; `spare`: groups that a limit may need.
        descriptors: what it had as standard input, output and error.
        hooks: which of the bundle's lists of hooks for later are not empty.
        steps: how many its plan has.
        cgroup_path: of its group, below the mount point of a hierarchy.
        shares_pids: it has no pid namespace of its own, so its processes outlive the first.
        scope: the unit of systemd that its group belongs to, "" where it was made directly.
        listener: path of the socket that wants the filter's listener; with its metadata.
    """

    id: str
    bundle: str
    rootfs: str
    created: str
    owner: str
    oci_version: str
    pid: int
    start_time: int
    boot_id: str
    annotations: dict[str, str]
    cgroups: dict[str, str]
    made: list[str]
    spare: dict[str, str]
    descriptors: list[str]
    hooks: list[str]
    listener: str
    listener_metadata: str
    steps: int
    cgroup_path: str
    shares_pids: bool
    scope: str

    def __init__(self, **fields: Any) -> None:
        for name, fresh in _FRESH.items():
            value = fields.get(name, fresh)
            setattr(self, name, value.copy() if isinstance(value, (dict, list)) else value)

    @classmethod
    def of(cls, fields: Any) -> Self:
        """The record that a file holds.

        Raises:
            ValueError: naming what is wrong.
        """
        if not isinstance(fields, dict):
            raise ValueError("it is no object")  # noqa: TRY004  # of JSON
        for name, fresh in _FRESH.items():
            if not isinstance(fields.get(name, fresh), type(fresh)):
                raise ValueError(f"{name} is no {type(fresh).__name__}")  # noqa: TRY004  # likewise
        return cls(**fields)

    def fields(self) -> Mapping[str, Any]:
        """The content of its file: all of it, and what others look for by crun's names."""
        return {name: getattr(self, name) for name in _FRESH} | {
            "process-start-time": self.start_time,
            "cgroup-path": self.cgroup_path,
            "systemd-cgroup": bool(self.scope),
            "detached": True,
            "external_descriptors": json.dumps(self.descriptors),
        }

    def state(self, status: str, pid: int = 0) -> dict[str, Any]:
        """OCI's object for hooks (runtime.md, "State"), without a pid where that is 0."""
        found: dict[str, Any] = {
            "ociVersion": self.oci_version,
            "id": self.id,
            "status": status,
            "bundle": self.bundle,
        }
        if pid:
            found["pid"] = pid
        if self.annotations:
            found["annotations"] = self.annotations
        return found


def hook_outputs(found: Record) -> tuple[str, str]:
    """Files that take the standard output and the errors of its hooks, "" for none.

    The annotations are crun's (crun(1), "run.oci.hooks.stdout=FILE").
    """
    annotations = found.annotations
    return (
        annotations.get("run.oci.hooks.stdout", ""),
        annotations.get("run.oci.hooks.stderr", ""),
    )
