"""The file systems of a container: `root` and `mounts` of the OCI runtime-spec, and ids."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class IdMapping:
    """`size` ids from `container_id` on are `host_id` and following on the host."""

    container_id: int
    host_id: int
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Root:
    """The root file system.

    Attributes:
        path: a directory tree; the lower layer when there is an upper one.
        readonly: mount read-only.
        upper: "tmpfs" for a writable layer in memory that goes with the container; a directory
            for one that stays, in which `layer` is made, shut to others; None for no layer, so that
            writes go to the tree itself.
        upper_size_bytes: size limit of the layer in memory; None for the kernel's default (half
            the RAM).
        shift_owners: show the tree's owners as the container's ids (an idmapped mount). Off for a
            bundle, whose owners are right as they are.
    """

    path: Path
    readonly: bool = False
    upper: str | Path | None = "tmpfs"
    upper_size_bytes: int | None = None
    shift_owners: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Mount:
    """One further mount: `type` is "bind" or a file system's name, options as in fstab.

    Attributes:
        uid_mappings: show the owners of a bind's files shifted by these (an idmapped mount);
            likewise `gid_mappings`.
    """

    destination: str
    type: str
    source: str = ""
    options: tuple[str, ...] = ()
    uid_mappings: tuple[IdMapping, ...] = ()
    gid_mappings: tuple[IdMapping, ...] = ()
