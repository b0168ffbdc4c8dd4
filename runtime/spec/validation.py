"""Refusing specifications that cannot be right, before any process is made."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from runtime import capabilities
from runtime.errors import SpecError
from runtime.spec.linux import NAMESPACES

if TYPE_CHECKING:
    from runtime.spec import Linux, Process, Spec


def validate(spec: Spec) -> None:
    """Refuse what cannot be right before any process is made.

    Raises:
        SpecError: naming the field.
    """
    _check_process(spec.process)
    _check_linux(spec.linux)
    if not spec.root.path.is_dir():
        raise SpecError("root.path", f"{spec.root.path} is not a directory; build an image")
    if spec.root.upper not in ("tmpfs", None) and not isinstance(spec.root.upper, Path):
        raise SpecError(
            "root.upper", f"{spec.root.upper!r} is neither 'tmpfs' nor a directory nor null"
        )
    if spec.hostname is not None and spec.linux.namespace("uts") is None:
        raise SpecError("hostname", "needs a uts namespace; without one it is the host's")
    for number, entry in enumerate(spec.mounts):
        if not entry.destination.startswith("/"):
            raise SpecError(f"mounts[{number}].destination", "must be absolute")


def _check_process(process: Process) -> None:
    if not process.args or not process.args[0]:
        raise SpecError("process.args", "is empty; name a program to run")
    if not process.cwd.startswith("/"):
        raise SpecError("process.cwd", f"{process.cwd!r} must be absolute")
    for name, value in process.env.items():
        if not name or "=" in name or "\0" in name + value:
            raise SpecError("process.env", f"{name!r} is not a usable variable")
    if any("\0" in arg for arg in process.args):
        raise SpecError("process.args", "holds a NUL byte")
    for name in process.capabilities or ():
        if name not in capabilities.NUMBERS:
            raise SpecError("process.capabilities", f"{name!r} is no capability of Linux")


def _check_linux(linux: Linux) -> None:
    for number, entry in enumerate(linux.namespaces):
        if entry.type not in NAMESPACES:
            raise SpecError(f"linux.namespaces[{number}].type", f"{entry.type!r} is unknown")
    if linux.namespace("user") and not linux.uid_mappings:
        raise SpecError("linux.uidMappings", "a user namespace without mappings has no root")
    resources = linux.resources
    numbers = {
        "memory.limit": resources.memory_limit_bytes,
        "cpu.cpus": resources.cpus,
        "pids.limit": resources.pids_limit,
    }
    for name, value in numbers.items():
        if value is not None and value <= 0:
            raise SpecError(f"linux.resources.{name}", f"{value} must be above zero")
        if value is not None and not linux.cgroup:
            raise SpecError(f"linux.resources.{name}", "needs a cgroup of the container's own")
