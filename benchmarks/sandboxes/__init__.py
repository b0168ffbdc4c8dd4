"""Sandboxes that a campaign can name: protocols, the registry of kinds, and the kinds."""

from benchmarks.sandboxes.registry import (
    Kind,
    SandboxName,
    all_kinds,
    find,
    isolation,
    make_testbed,
    names,
    open_sandbox,
    register,
    simulated,
)

__all__ = [
    "Kind",
    "SandboxName",
    "all_kinds",
    "find",
    "isolation",
    "make_testbed",
    "names",
    "open_sandbox",
    "register",
    "simulated",
]
