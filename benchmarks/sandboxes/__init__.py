"""The sandboxes a campaign can name, and the one place that knows how each is opened."""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING

from benchmarks.errors import UnknownSandboxError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from benchmarks.sandboxes.base import Sandbox, Setting
    from benchmarks.sandboxes.testbed import Testbed

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
    "vm:uefi",
    "vm:microvm",
    "vm:lean",
    "vm:virtiofs",
    "vm:9p",
    "vm:restored",
    "oci:crun",
    "oci:crun:no-cgroup",
    "oci:runc",
    "oci:youki",
    "oci:runsc",
    "podman",
    "podman:crun",
    "podman:runc",
    "podman:tare-oci",
    "docker",
    "peer:bwrap",
    "peer:nspawn",
    "floor",
    "floor:no-cgroup",
    "fake",
    "fake:slow",
    "fake:broken",
)
"""Names a campaign may use; a part behind the colon chooses a profile.

Beside these, ``oci:NAME`` stands for any program with an OCI runtime's command line, and
``podman:NAME`` and ``docker:NAME`` for the manager with that runtime.
"""

_OCI = re.compile(
    r"(oci:[A-Za-z0-9][A-Za-z0-9_.-]*(:no-cgroup)?|(podman|docker):[A-Za-z0-9][\w.-]*)"
)


def kind_of(name: str) -> str:
    """Return the kind a sandbox name stands for.

    Raises:
        UnknownSandboxError: There is no such sandbox.
    """
    if name not in NAMES and not _OCI.fullmatch(name):
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
    return _OPENERS[kind](name, setting)


def _open_fake(name: str, setting: Setting) -> Sandbox:
    from benchmarks.sandboxes.fake import FakeSandbox

    return FakeSandbox(name, setting)


def _open_oci(name: str, setting: Setting) -> Sandbox:
    from benchmarks.sandboxes.oci import OciSandbox

    return OciSandbox(name, setting)


def _open_podman(name: str, setting: Setting) -> Sandbox:
    from benchmarks.sandboxes.podman import PodmanSandbox

    return PodmanSandbox(name, setting)


def _open_docker(name: str, setting: Setting) -> Sandbox:
    from benchmarks.sandboxes.docker import DockerSandbox

    return DockerSandbox(name, setting)


def _open_floor(name: str, setting: Setting) -> Sandbox:
    from benchmarks.sandboxes.floor import FloorSandbox

    return FloorSandbox(name, setting)


def _open_container(name: str, setting: Setting) -> Sandbox:
    from benchmarks.sandboxes.container import ContainerSandbox

    return ContainerSandbox(name, setting)


def make_testbed(names: Iterable[str], setting: Setting) -> Testbed:
    """Return the testbed of these sandboxes; nothing is made before it is entered.

    Raises:
        UnsuitableHostError: The host lacks what it needs.
    """
    if all(kind_of(name) == "fake" for name in names):
        from benchmarks.sandboxes.fake import FakeTestbed

        return FakeTestbed(setting)
    from benchmarks.sandboxes.testbed import Testbed

    return Testbed(setting)


def _open_peer(name: str, setting: Setting) -> Sandbox:
    if name == "peer:nspawn":
        from benchmarks.sandboxes.nspawn import NspawnSandbox

        return NspawnSandbox(name, setting)
    from benchmarks.sandboxes.bwrap import BwrapSandbox

    return BwrapSandbox(name, setting)


def _open_vm(name: str, setting: Setting) -> Sandbox:
    if name == "vm:restored":
        from benchmarks.sandboxes.vm_restored import RestoredSandbox

        return RestoredSandbox(name, setting)
    from benchmarks.sandboxes.vm import VmSandbox

    return VmSandbox(name, setting)


_OPENERS: dict[str, Callable[[str, Setting], Sandbox]] = {
    "native": _open_container,
    "container": _open_container,
    "vm": _open_vm,
    "oci": _open_oci,
    "podman": _open_podman,
    "docker": _open_docker,
    "peer": _open_peer,
    "floor": _open_floor,
    "fake": _open_fake,
}
