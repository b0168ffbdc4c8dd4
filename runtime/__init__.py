"""Namespace and cgroup container runtime; imports nothing else of the project.

Names are looked up when first used: the spawner imports parts of this package and must stay small.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from runtime.cgroups.usage import CgroupMemory
    from runtime.container import Container
    from runtime.engine import Engine
    from runtime.errors import (
        CgroupError,
        ContainerError,
        EngineError,
        ExecError,
        SetupError,
        SpecError,
        StateError,
        UnsupportedError,
    )
    from runtime.process import ContainerProcess
    from runtime.recovery.cleanup import clean, left_alone, leftovers
    from runtime.spec import (
        IdMapping,
        Linux,
        Mount,
        Namespace,
        Process,
        Resources,
        Rlimit,
        Root,
        Spec,
        User,
        profiles,
    )

_HOME = {
    "Container": "container",
    "ContainerProcess": "process",
    "Engine": "engine",
    "CgroupMemory": "cgroups.usage",
    "clean": "recovery.cleanup",
    "left_alone": "recovery.cleanup",
    "leftovers": "recovery.cleanup",
    **dict.fromkeys(
        (
            "CgroupError", "ContainerError", "EngineError", "ExecError", "SetupError",
            "SpecError", "StateError", "UnsupportedError",
        ),
        "errors",
    ),
    **dict.fromkeys(
        (
            "IdMapping", "Linux", "Mount", "Namespace", "Process", "Resources", "Rlimit", "Root",
            "Spec", "User",
        ),
        "spec",
    ),
}  # fmt: skip

__all__ = [
    "CgroupError",
    "CgroupMemory",
    "Container",
    "ContainerError",
    "ContainerProcess",
    "Engine",
    "EngineError",
    "ExecError",
    "IdMapping",
    "Linux",
    "Mount",
    "Namespace",
    "Process",
    "Resources",
    "Rlimit",
    "Root",
    "SetupError",
    "Spec",
    "SpecError",
    "StateError",
    "UnsupportedError",
    "User",
    "clean",
    "left_alone",
    "leftovers",
    "profiles",
]


def __getattr__(name: str) -> Any:
    if name == "profiles":
        return import_module("runtime.spec.profiles")
    if name not in _HOME:
        raise AttributeError(f"module 'runtime' has no attribute {name!r}")
    value = getattr(import_module(f"runtime.{_HOME[name]}"), name)
    globals()[name] = value
    return value
