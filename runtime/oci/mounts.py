"""`root` and `mounts`: what file systems the container has (config.md, "Root" and "Mounts")."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from runtime.errors import SpecError
from runtime.oci.node import UINT32
from runtime.spec import IdMapping, Mount, Root, mount_options
from runtime.spec.hints import nearest, short

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from runtime.oci.node import Node


def read_root(node: Node, bundle: Path) -> Root:
    """The root of a bundle: its own tree, without a layer above it.

    Args:
        node: the document.
        bundle: what a relative path starts from.

    Raises:
        SpecError: naming the field.
    """
    root = node.require(node.node("root"), "root")
    path = root.require(root.text("path"), "path")
    readonly = bool(root.flag("readonly"))
    root.close()
    return Root(path=bundle / path, readonly=readonly, upper=None, shift_owners=False)


def read_mounts(node: Node, bundle: Path) -> tuple[Mount, ...]:
    """The mounts of a bundle, in order.

    Args:
        node: the document.
        bundle: what the relative source of a bind starts from.

    Raises:
        SpecError: naming the field.
    """
    return tuple(_read_mount(entry, bundle) for entry in node.nodes("mounts"))


def read_mappings(node: Node, key: str) -> tuple[IdMapping, ...]:
    """A list of id mappings.

    Raises:
        SpecError: naming the field.
    """
    found = []
    for entry in node.nodes(key):
        numbers = [
            entry.require(entry.integer(name, UINT32), name)
            for name in ("containerID", "hostID", "size")
        ]
        found.append(IdMapping(*numbers))
    return tuple(found)


def _read_mount(node: Node, bundle: Path) -> Mount:
    destination = node.require(node.text("destination"), "destination")
    kind, source = node.text("type"), node.text("source") or ""
    options = node.texts("options")
    bind = mount_options.parse(options).bind
    if bind:
        kind = "bind"  # what stands there is a dummy then
    if kind is None:
        raise SpecError(node.at("type"), "is missing; name a file system, or give the option bind")
    if kind == "bind":
        source = str(bundle / node.require(source or None, "source"))
        options = _without_data(node, options)
        if not bind:
            options = (*options, "bind")
    if not destination.startswith("/"):
        node.aside.notes.append(
            f"{node.at('destination')}: relative paths are deprecated; taken as /{destination}"
        )
    return Mount(
        destination=_plain(destination),
        type=kind,
        source=source,
        options=options,
        uid_mappings=read_mappings(node, "uidMappings"),
        gid_mappings=read_mappings(node, "gidMappings"),
    )


def _without_data(node: Node, options: tuple[str, ...]) -> tuple[str, ...]:
    """Without a file system's own options, which the kernel ignores on a bind (mount(2)).

    A word that may be a misspelt one of ours stays, and is refused later.
    """
    kept = []
    for number, option in enumerate(options):
        own = mount_options.parse((option,)).data
        if own and ("=" in option or nearest(option, mount_options.KNOWN) is None):
            path = f"{node.at('options')}[{number}]"
            node.aside.notes.append(f"{path}: {short(option)} has no effect on a bind mount")
        else:
            kept.append(option)
    return tuple(kept)


def _plain(destination: str) -> str:
    """Absolute, without doubled or trailing slashes: others compare it with "/dev"."""
    return "/" + "/".join(part for part in destination.split("/") if part not in ("", "."))


def portable(mount: Mount) -> Mount:
    """The mount as other runtimes want it: a source always, and OCI's own word for cgroups."""
    kind = "cgroup" if mount.type == "cgroup2" else mount.type
    return replace(mount, type=kind, source=mount.source or kind)


def write_root(root: Root, bundle: Path | None) -> dict[str, Any]:
    """The `root` object; its path is relative where it lies in the bundle."""
    path = root.path
    if bundle is not None and path.is_relative_to(bundle):
        path = path.relative_to(bundle)
    return {"path": str(path), "readonly": root.readonly}


def write_mount(mount: Mount) -> dict[str, Any]:
    """One entry of `mounts`."""
    options = list(mount.options)
    if mount.type == "bind" and not mount_options.parse(options).bind:
        options.append("bind")
    found: dict[str, Any] = {"destination": mount.destination, "type": mount.type}
    if mount.source:
        found["source"] = mount.source
    if options:
        found["options"] = options
    if mount.uid_mappings:
        found["uidMappings"] = write_mappings(mount.uid_mappings)
    if mount.gid_mappings:
        found["gidMappings"] = write_mappings(mount.gid_mappings)
    return found


def write_mappings(mappings: Iterable[IdMapping]) -> list[dict[str, int]]:
    """A list of id mappings."""
    return [
        {"containerID": entry.container_id, "hostID": entry.host_id, "size": entry.size}
        for entry in mappings
    ]
