"""The sandboxes a campaign can name, and the one place that knows how each is opened."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

from benchmarks.errors import UnknownSandboxError

if TYPE_CHECKING:
    from benchmarks.sandboxes.base import Sandbox, Setting

NAMES = ("native", "container", "container:bare", "vm", "vm:stock", "fake", "fake:slow")
"""Names a campaign may use; a part behind the colon chooses a profile."""

KINDS = ("native", "container", "vm", "fake")


def kind_of(name: str) -> str:
    """Return the kind a sandbox name stands for.

    Raises:
        UnknownSandboxError: There is no such sandbox.
    """
    kind = name.partition(":")[0]
    if kind not in KINDS:
        near = difflib.get_close_matches(name, NAMES, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(NAMES)}"
        raise UnknownSandboxError(f"there is no sandbox {name!r}; {hint}")
    return kind


def open_sandbox(name: str, setting: Setting) -> Sandbox:
    """Open a sandbox by name; nothing is started yet.

    Raises:
        UnknownSandboxError: There is no such sandbox.
        UnsuitableHostError: The host lacks what it needs.
    """
    kind = kind_of(name)
    if kind == "fake":
        from benchmarks.sandboxes.fake import FakeSandbox

        return FakeSandbox(name, setting)
    if kind == "vm":
        from benchmarks.sandboxes.vm import VmSandbox

        return VmSandbox(name, setting)
    from benchmarks.sandboxes.container import ContainerSandbox

    return ContainerSandbox(name, setting)
