"""Rules that refuse wrong specifications, before any process is made.

Errors name the JSON path of the field in the bundle's config.json, also where the specification
was made otherwise.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from runtime.errors import SpecError
from runtime.spec.validation import files, kernel, limits, process
from runtime.spec.validation.text import check_text

if TYPE_CHECKING:
    from runtime.spec import Hook, Spec

#: __NEW_UTS_LEN of the kernel, in bytes.
_LONGEST_NAME = 64


def validate(spec: Spec, *, detached: bool = False) -> None:
    """Refuse what cannot be right before any process is made.

    Args:
        spec: the container.
        detached: it outlives whoever makes it (`plan.Detached`), and can have mounts of its own
            without a mount namespace.

    Raises:
        SpecError: naming the field.
    """
    check(spec)
    if not detached and spec.linux.namespace("mount") is None:
        _refuse_mounts(spec)
    if not spec.root.path.is_dir():
        raise SpecError(
            "root.path", f"{spec.root.path} is not a directory; build an image, or correct the path"
        )
    kernel.check_joined_sysctls(spec.linux)


def check(spec: Spec) -> None:
    """The same, of the specification alone: nothing of the host is looked at.

    Raises:
        SpecError: naming the field.
    """
    process.check(spec.process)
    kernel.check(spec.linux)
    process.check_mapped(spec.process.user, spec.linux)
    limits.check(spec.linux.resources, grouped=spec.linux.cgroup)
    _check_names(spec)
    files.check_root(spec.root)
    files.check_mounts(spec)
    _check_hooks(spec)
    for key, value in spec.annotations.items():
        if not key:
            raise SpecError("annotations", "has a key without a name")
        check_text("annotations", key)
        check_text("annotations", value)


def _refuse_mounts(spec: Spec) -> None:
    if spec.mounts:
        raise SpecError("mounts", "need a mount namespace; without one they would be the host's")
    for key, paths in (
        ("maskedPaths", spec.linux.masked_paths),
        ("readonlyPaths", spec.linux.readonly_paths),
    ):
        if paths:
            raise SpecError(f"linux.{key}", "need a mount namespace")


def _check_names(spec: Spec) -> None:
    for path, name in (("hostname", spec.hostname), ("domainname", spec.domainname)):
        if name is None:
            continue
        if spec.linux.namespace("uts") is None:
            raise SpecError(path, "needs a uts namespace; without one it is the host's")
        check_text(path, name)
        size = len(name.encode())
        if size > _LONGEST_NAME:
            raise SpecError(path, f"has {size} bytes; the kernel takes {_LONGEST_NAME}")
    parameter = spec.linux.sysctl.get("kernel.domainname")
    if spec.domainname is not None and parameter not in (None, spec.domainname):
        raise SpecError("linux.sysctl", "'kernel.domainname' and domainname are the same; give one")


def _check_hooks(spec: Spec) -> None:
    hooks = spec.hooks
    for name, entries in (
        ("prestart", hooks.prestart),
        ("createRuntime", hooks.create_runtime),
        ("createContainer", hooks.create_container),
        ("startContainer", hooks.start_container),
        ("poststart", hooks.poststart),
        ("poststop", hooks.poststop),
    ):
        for number, hook in enumerate(entries):
            _check_hook(f"hooks.{name}[{number}]", hook)


def _check_hook(path: str, hook: Hook) -> None:
    check_text(f"{path}.path", hook.path)
    if not Path(hook.path).is_absolute():
        raise SpecError(f"{path}.path", f"{hook.path!r} must be absolute")
    for number, word in enumerate(hook.args):
        check_text(f"{path}.args[{number}]", word)
    for number, word in enumerate(hook.env):
        check_text(f"{path}.env[{number}]", word)
        if not word.partition("=")[0] or "=" not in word:
            raise SpecError(f"{path}.env[{number}]", f"{word!r} is not of the form NAME=value")
    if hook.timeout_s is not None and not hook.timeout_s > 0:
        raise SpecError(f"{path}.timeout", f"{hook.timeout_s} must be above zero")
