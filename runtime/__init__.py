"""Namespace and cgroup container runtime; imports nothing else of the project.

Names are looked up when first used: the spawner imports parts of this package and must stay small.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from runtime import profiles
    from runtime.cleanup import clean, leftovers
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
    from runtime.member import ContainerProcess
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
    )
    from runtime.usage import CgroupMemory

_HOME = {
    "Container": "container",
    "ContainerProcess": "member",
    "Engine": "engine",
    "CgroupMemory": "usage",
    "clean": "cleanup",
    "leftovers": "cleanup",
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
    "leftovers",
    "profiles",
]


def __getattr__(name: str) -> Any:
    if name == "profiles":
        return import_module("runtime.profiles")
    if name not in _HOME:
        raise AttributeError(f"module 'runtime' has no attribute {name!r}")
    value = getattr(import_module(f"runtime.{_HOME[name]}"), name)
    globals()[name] = value
    return value
