"""The specification of a container: frozen dataclasses in OCI runtime-spec's vocabulary.

Source: opencontainers/runtime-spec, config.md and config-linux.md.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from runtime.spec.filesystem import IdMapping, Mount, Root
from runtime.spec.linux import (
    DEFAULT_HOST_ID,
    DEFAULT_ID_COUNT,
    NAMESPACES,
    Device,
    Landlock,
    Linux,
    Namespace,
)
from runtime.spec.process import (
    CapabilitySets,
    CpuAffinity,
    Hook,
    Hooks,
    IoPriority,
    Process,
    Rlimit,
    Scheduler,
    User,
)
from runtime.spec.resources import DeviceRule, HugepageLimit, IoLimit, Resources
from runtime.versions import OCI_VERSION

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "DEFAULT_HOST_ID",
    "DEFAULT_ID_COUNT",
    "NAMESPACES",
    "OCI_VERSION",
    "CapabilitySets",
    "CpuAffinity",
    "Device",
    "DeviceRule",
    "Hook",
    "Hooks",
    "HugepageLimit",
    "IdMapping",
    "IoLimit",
    "IoPriority",
    "Landlock",
    "Linux",
    "Mount",
    "Namespace",
    "Process",
    "Resources",
    "Rlimit",
    "Root",
    "Scheduler",
    "Spec",
    "User",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Spec:
    """A whole container.

    Attributes:
        profile: names the profile it was made from, for reports.
        annotations: of the bundle; handed on, never acted upon.
        unknown: fields of a bundle that this runtime does not know or act upon, by JSON path; kept,
            so that nothing is lost when the specification is written again.
        notes: sentences, one for each thing of the bundle that has no effect. Not part of what
            the container is: two specifications that differ in them alone are equal.
        oci_version: the release of the runtime-spec that the bundle says it complies with.
    """

    root: Root
    process: Process
    hostname: str | None = None
    domainname: str | None = None
    mounts: tuple[Mount, ...] = ()
    linux: Linux = field(default_factory=Linux)
    hooks: Hooks = field(default_factory=Hooks)
    annotations: Mapping[str, str] = field(default_factory=dict)
    unknown: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = field(default=(), compare=False)
    oci_version: str = OCI_VERSION
    profile: str = "custom"

    @property
    def native(self) -> bool:
        """True where nothing separates the workload but chroot."""
        return not self.linux.namespaces
