"""A config.json to start from, as `spec` of an OCI command line writes it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runtime.oci import mounts, writer
from runtime.spec import DeviceRule, Mount, Namespace, Resources, profiles
from runtime.spec.id_mappings import to_host

if TYPE_CHECKING:
    from runtime.spec import Spec
    from runtime.users.mappings import Rootless

ROOTFS = "rootfs"
_ARGS = ("sh",)
_ENV = {"PATH": profiles.ENV["PATH"], "TERM": "xterm"}


def document(rootless: Rootless | None = None) -> dict[str, Any]:
    """The default profile as the content of a config.json.

    Its root is read-only, since a bundle has no layer that would keep the image as it is. It has no
    user namespace, in which the files of a root unpacked by root would be nobody's.

    Args:
        rootless: what the user may map (`mappings.for_user`), for a bundle that needs no root: in a
            user namespace, without a group of its own, and with the host's network.
    """
    spec = profiles.default(rootfs=Path(ROOTFS), args=_ARGS, env=_ENV)
    everything = DeviceRule(allow=False)
    spec = replace(
        spec,
        root=replace(spec.root, readonly=True),
        process=replace(spec.process, terminal=True),
        mounts=tuple(mounts.portable(mount) for mount in spec.mounts),
        linux=replace(
            spec.linux,
            namespaces=tuple(each for each in spec.linux.namespaces if each.type != "user"),
            uid_mappings=(),
            gid_mappings=(),
            resources=replace(spec.linux.resources, devices=(everything,)),
        ),
    )
    return writer.write(spec if rootless is None else _for_user(spec, rootless))


def _for_user(spec: Spec, rootless: Rootless) -> Spec:
    """What an ordinary user can do: as `runc spec --rootless`, with all the ids there are."""
    kept = tuple(entry for entry in spec.linux.namespaces if entry.type != "network")
    return replace(
        spec,
        mounts=tuple(_mount_for_user(mount, rootless) for mount in spec.mounts),
        linux=replace(
            spec.linux,
            namespaces=(*kept, Namespace("user")),
            uid_mappings=rootless.uid_mappings,
            gid_mappings=rootless.gid_mappings,
            resources=Resources(),
        ),
    )


def _mount_for_user(mount: Mount, rootless: Rootless) -> Mount:
    if mount.type == "sysfs":
        # only the owner of the network namespace may mount one
        options = ("rbind", "nosuid", "noexec", "nodev", "ro")
        return replace(mount, type="bind", source="/sys", options=options)
    # a group that is not mapped cannot own anything
    kept = tuple(option for option in mount.options if not _unmapped(option, rootless))
    return replace(mount, options=kept)


def _unmapped(option: str, rootless: Rootless) -> bool:
    name, _, value = option.partition("=")
    return name == "gid" and to_host(rootless.gid_mappings, int(value)) is None
