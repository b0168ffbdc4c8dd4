"""Rules for `root` and `mounts`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from runtime.errors import SpecError
from runtime.spec import id_mappings, mount_options
from runtime.spec.hints import nearest, short
from runtime.spec.validation.text import check_absolute, check_text

if TYPE_CHECKING:
    from runtime.spec import Linux, Mount, Root, Spec


def check_root(root: Root) -> None:
    """Refuse what cannot be right, without looking at the host.

    Raises:
        SpecError: naming the field.
    """
    check_text("root.path", str(root.path))
    if root.upper not in ("tmpfs", None) and not isinstance(root.upper, Path):
        raise SpecError("root.upper", f"{root.upper!r} is neither 'tmpfs' nor a directory nor null")
    if root.upper_size_bytes is not None and root.upper_size_bytes <= 0:
        raise SpecError("root.upper_size_bytes", f"{root.upper_size_bytes} must be above zero")


def check_mounts(spec: Spec) -> None:
    """Refuse what cannot be right.

    Raises:
        SpecError: naming the mount.
    """
    for number, entry in enumerate(spec.mounts):
        _check_mount(f"mounts[{number}]", entry, spec.linux)


def _check_mount(path: str, entry: Mount, linux: Linux) -> None:
    check_absolute(f"{path}.destination", entry.destination)
    check_text(f"{path}.source", entry.source)
    for number, option in enumerate(entry.options):
        check_text(f"{path}.options[{number}]", option)
    options = mount_options.parse(entry.options)
    bind = entry.type == "bind" or options.bind
    if not entry.type:
        raise SpecError(f"{path}.type", "is missing; name a file system, or give the option bind")
    check_text(f"{path}.type", entry.type)
    if options.remount:
        return
    if bind:
        check_absolute(f"{path}.source", entry.source)
        _check_bind_options(path, entry)
    if options.copy_up and not entry.destination.strip("/"):
        raise SpecError(f"{path}.options", "tmpcopyup cannot fill the root with itself")
    if options.copy_up and (bind or entry.type != "tmpfs"):
        raise SpecError(f"{path}.options", "tmpcopyup fills a tmpfs, and this is none")
    _check_owners(path, entry, linux, options.idmap, bind=bind)


def _check_bind_options(path: str, entry: Mount) -> None:
    """The kernel ignores a file system's own options on a bind: who gave them would be deceived."""
    for number, option in enumerate(entry.options):
        if mount_options.parse((option,)).data:
            close = nearest(option, mount_options.KNOWN)
            hint = f"; did you mean {close!r}?" if close else ""
            raise SpecError(
                f"{path}.options[{number}]", f"{short(option)} has no effect on a bind mount{hint}"
            )


def _check_owners(path: str, entry: Mount, linux: Linux, idmap: str | None, *, bind: bool) -> None:
    mapped = bool(entry.uid_mappings or entry.gid_mappings)
    if not mapped and idmap is None:
        return
    if not bind:
        raise SpecError(f"{path}.options", "an id mapping needs a bind mount")
    if bool(entry.uid_mappings) != bool(entry.gid_mappings):
        missing = "gidMappings" if entry.uid_mappings else "uidMappings"
        raise SpecError(f"{path}.{missing}", "is missing; both kinds of ids have to be mapped")
    if not mapped and linux.namespace("user") is None:
        raise SpecError(
            f"{path}.options", f"{idmap} needs uidMappings and gidMappings, or a user namespace"
        )
    id_mappings.check(f"{path}.uidMappings", entry.uid_mappings)
    id_mappings.check(f"{path}.gidMappings", entry.gid_mappings)
