"""The door for a harness: what it needs of this package beyond its public names.

A harness starts other runtimes under the same conditions and charges every sandbox alike: it needs
control groups and what they were charged, roots as a container has them, records that `clean`
finds, the init programs, the compiler of small static programs, and a container as an OCI bundle.
Nothing else of the package's insides is meant for others. Names are looked up when first used: one
process of the harness must stay small.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from runtime import cgroups, syscalls
    from runtime.cgroups import Group, Manager, files, layout, oom, usage
    from runtime.cgroups.usage import CgroupMemory
    from runtime.cgroups.v1 import PERIOD_US
    from runtime.executor import compiled
    from runtime.oci import process as oci_process
    from runtime.oci import writer as oci_writer
    from runtime.oci.mounts import portable
    from runtime.recovery import record
    from runtime.recovery.processes import start_time
    from runtime.spawner import wire
    from runtime.spawner.init import CANDIDATES
    from runtime.spawner.rootfs import ImageMounts, Mapping, enter
    from runtime.spec.masks import expand

_HOME = {
    "CANDIDATES": "spawner.init",
    "CgroupMemory": "cgroups.usage",
    "Group": "cgroups",
    "Manager": "cgroups",
    "Mapping": "spawner.rootfs",
    "PERIOD_US": "cgroups.v1",
    "ImageMounts": "spawner.rootfs",
    "compiled": "executor",
    "enter": "spawner.rootfs",
    "expand": "spec.masks",
    "portable": "oci.mounts",
    "start_time": "recovery.processes",
}
_MODULES = {
    "cgroups": "cgroups",
    "files": "cgroups.files",
    "layout": "cgroups.layout",
    "oci_process": "oci.process",
    "oci_writer": "oci.writer",
    "oom": "cgroups.oom",
    "record": "recovery.record",
    "syscalls": "syscalls",
    "usage": "cgroups.usage",
    "wire": "spawner.wire",
}

__all__ = [
    "CANDIDATES",
    "PERIOD_US",
    "CgroupMemory",
    "Group",
    "ImageMounts",
    "Manager",
    "Mapping",
    "cgroups",
    "compiled",
    "enter",
    "expand",
    "files",
    "layout",
    "oci_process",
    "oci_writer",
    "oom",
    "portable",
    "record",
    "start_time",
    "syscalls",
    "usage",
    "wire",
]


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        value = import_module(f"runtime.{_MODULES[name]}")
    elif name in _HOME:
        value = getattr(import_module(f"runtime.{_HOME[name]}"), name)
    else:
        raise AttributeError(f"module 'runtime.harness' has no attribute {name!r}")
    globals()[name] = value
    return value
