"""The sandboxes a campaign can name, and the one place that knows how each is opened."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

from benchmarks.errors import UnknownSandboxError

if TYPE_CHECKING:
    from benchmarks.sandboxes.base import Sandbox, Setting

ABLATED = (
    "pid", "uts", "mnt", "ipc", "net", "user", "cgroup",
    "seccomp", "capabilities", "masks", "no_new_privs",
)  # fmt: skip
"""Technologies that ``container:no-...`` switches off, one each."""

NAMES = (
    "native",
    "container",
    "container:bare",
    "container:docker-like",
    "container:hardened",
    *(f"container:no-{technology}" for technology in ABLATED),
    "vm",
    "vm:tuned",
    "vm:stock",
    "fake",
    "fake:slow",
    "fake:broken",
)
"""Names a campaign may use; a part behind the colon chooses a profile."""


def kind_of(name: str) -> str:
    """Return the kind a sandbox name stands for.

    Raises:
        UnknownSandboxError: There is no such sandbox.
    """
    if name not in NAMES:
        near = difflib.get_close_matches(name, NAMES, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(NAMES)}"
        raise UnknownSandboxError(f"there is no sandbox {name!r}; {hint}")
    return name.partition(":")[0]


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
